//! Stytch's HTTP API: client, response bodies, and errors.

pub(crate) mod client;
pub(crate) mod error;
pub(crate) mod fields;
mod redact;
pub(crate) mod responses;
pub(crate) mod user_responses;
