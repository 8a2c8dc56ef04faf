//! Tests of the provider over real HTTP, against a stub server and against the sandbox.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod connections;
mod errors;
mod jwt;
mod key_cache;
mod key_rotation;
mod requests;
mod sandbox;
mod sdk_recordings;
mod search;
mod secrets;
mod signing_keys;
mod stub_server;
mod user_list;
mod webhooks;
