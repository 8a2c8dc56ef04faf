//! The state of the sandbox: a project with its users, links, sessions and keys.

pub(crate) mod clock;
pub(crate) mod custom_claims;
pub(crate) mod email_address;
pub(crate) mod ids;
pub(crate) mod keys;
pub(crate) mod link;
pub(crate) mod metadata;
pub(crate) mod persistence;
pub(crate) mod project;
pub(crate) mod redirect_urls;
pub(crate) mod sandbox_values;
pub(crate) mod session;
pub(crate) mod store;
pub(crate) mod tables;
pub(crate) mod user;
