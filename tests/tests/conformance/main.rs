//! Runs Stytch's published SDKs against the sandbox. The SDKs parse Stytch's protocol strictly, so
//! that the sandbox is a valid replacement for what they accept.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a panic fails the test")]

mod recordings;
mod rust_sdk;
mod sandbox;
mod suites;
