//! Operations for operators: inspect, cancel, dismiss, retry and pause.

pub(crate) mod cancel;
pub(crate) mod dismiss;
pub(crate) mod filter;
pub mod inspect;
pub(crate) mod pause;
pub(crate) mod retry;
