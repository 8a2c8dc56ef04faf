//! The tables: one file each, with the row type and its mapping to the domain type.

pub(crate) mod api_keys;
pub(crate) mod columns;
pub(crate) mod events;
pub(crate) mod guards;
pub(crate) mod idempotency_keys;
pub(crate) mod invitations;
pub(crate) mod link_claims;
pub(crate) mod login_requests;
pub(crate) mod reconciliations;
pub(crate) mod removed_addresses;
pub(crate) mod sessions;
pub(crate) mod tombstones;
pub(crate) mod used_links;
pub(crate) mod user_emails;
pub(crate) mod users;
