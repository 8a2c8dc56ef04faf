//! Opening databases, locks, and connections that are lost.

mod locks;
mod log;
mod lost_connections;
mod open;
