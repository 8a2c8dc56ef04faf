//! Operations for operators.

pub(crate) mod actions;
pub(crate) mod filter;
pub mod inspect;
