//! Stytch's official SDKs, as published, against the local Stytch. They know Stytch's protocol and
//! read it strictly, so what they understand is what the sandbox may be relied on for.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails at once and loudly")]

mod recordings;
mod rust_sdk;
mod sandbox;
mod suites;
