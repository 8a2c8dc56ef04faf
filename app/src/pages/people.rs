//! Pages for administrators about people: the list, each person, and their removal.

mod activity;
pub mod list;
pub mod person;
mod progress;
pub mod query;
pub mod removal;
mod revoked;
