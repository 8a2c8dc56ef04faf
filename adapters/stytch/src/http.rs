//! Stytch's HTTP API: client, request and response bodies, and errors.

pub(crate) mod client;
pub(crate) mod error;
pub(crate) mod fields;
pub(crate) mod redact;
pub(crate) mod requests;
pub(crate) mod responses;
pub(crate) mod user_responses;
