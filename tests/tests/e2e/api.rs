//! Requests and responses of the API in general.

mod connections;
mod error_messages;
mod health;
mod idempotency;
mod invalid_bodies;
mod invalid_requests;
mod lists;
mod metadata;
mod schemathesis;
