//! Use cases, one in each file.

mod deliveries;
mod invitations;
mod logins;
pub(crate) mod operations;
mod sessions;
mod users;
