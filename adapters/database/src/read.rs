//! Reads: the domain's read ports, one file each, and what they share.

mod api_keys;
pub(crate) mod batch_loader;
mod invitations;
mod jobs;
mod reconciliation;
pub(crate) mod search;
pub(crate) mod session_lookup;
mod sessions;
mod users;
