//! The state of the sandbox: a project with its users, links, sessions and keys.

pub(crate) mod clock;
pub(crate) mod email_address;
pub(crate) mod ids;
pub(crate) mod keys;
mod link;
pub(crate) mod merge;
pub(crate) mod persistence;
mod project;
mod redirect_urls;
pub(crate) mod sandbox_values;
mod session;
mod store;
mod tables;
mod user;

pub(crate) use link::{Link, LinkKind, LinkState};
pub(crate) use project::Project;
pub(crate) use session::{Attributes, Session};
pub(crate) use store::Store;
pub(crate) use tables::{Record, Tables};
pub(crate) use user::{DEFAULT_ROLE, Email, NameParts, Status, User};
