//! Interfaces to the outside, implemented by the adapters.

mod clock;
mod paging;
mod provider;
mod store;

pub use clock::*;
pub use paging::*;
pub use provider::*;
pub use store::*;
