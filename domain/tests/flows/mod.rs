//! The rules of the house, one by one: a file for each thing that somebody asks for.

mod accepting;
mod configured_admins;
mod deleting;
mod holding;
mod inviting;
mod keys;
mod last_admin;
mod limits;
mod links;
mod logging_in;
mod refusing;
mod resending;
mod retrying;
mod revoking;
mod sending;
mod session_checks;
mod session_ends;
mod states;
mod sweeping;
mod users;
mod visiting;
