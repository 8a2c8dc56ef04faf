//! HTTP building blocks that the API and the control plane share.

pub(crate) mod error;
pub(crate) mod origin;
pub(crate) mod page;
pub(crate) mod request;
pub(crate) mod response;
