//! A store in memory, for tests of flows and jobs. It runs the same contract tests as the store on
//! SQL databases.

#![expect(missing_debug_implementations, reason = "closures have no textual form")]

mod jobs;
mod reads;
mod store;
mod tables;

pub use jobs::JobRow;
pub use store::{Hook, InMemoryStore};
pub use tables::Tables;
