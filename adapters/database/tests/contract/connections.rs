//! Opening databases, locks, and connections that are lost.

mod locks;
mod lost_connections;
mod open;
