//! Interfaces to the outside, implemented by the adapters.

pub(crate) mod clock;
pub(crate) mod paging;
pub(crate) mod provider;
pub(crate) mod store;
