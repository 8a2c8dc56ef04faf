//! Writes: changes, groups of changes, and statements that run on their own.

mod activity;
mod atomicity;
mod conflicts;
mod group_commit;
mod idempotency;
mod jobs;
mod link_claims;
mod retention;
mod sessions;
mod updates;
