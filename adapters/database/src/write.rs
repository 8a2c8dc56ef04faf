//! Writes: grouped commits of changes, and the statements that run on their own.

mod commit_recovery;
pub(crate) mod committer;
mod jobs;
pub(crate) mod last_use;
pub(crate) mod link_claims;
pub(crate) mod retention;
mod statements;
mod transaction;
mod write_check;
