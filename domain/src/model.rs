//! The entities and their states. Nothing here reads or writes.

pub(crate) mod actor;
pub(crate) mod api_key;
pub(crate) mod characters;
pub(crate) mod email;
pub(crate) mod event;
pub(crate) mod ids;
pub(crate) mod invitation;
pub(crate) mod job;
pub(crate) mod name;
pub(crate) mod operation;
pub(crate) mod reconciliation;
pub(crate) mod session;
mod text;
pub(crate) mod user;

pub(crate) use text::text_enum;
