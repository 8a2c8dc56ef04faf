//! Stytch (Consumer) as the identity provider of Guestlist: an implementation of the port
//! [`IdentityProvider`](guestlist_domain::IdentityProvider).
//!
//! It speaks HTTP directly instead of using Stytch's crate, which has no timeouts, loses the status of
//! a response that is not JSON, fails on unknown enum values after a token was used, and logs tokens.
//! Responses are read leniently: only fields that Guestlist uses have to be present.
//!
//! Nothing is retried here except the fetch of public keys.
//! [`ProviderErrorKind`](guestlist_domain::ProviderErrorKind) tells callers what they can do about a
//! failure; `http/error.rs` holds the table that maps Stytch's errors to it.

mod http;
mod jwt;
mod options;
mod provider;
mod refresh;
mod search;
mod throttle;
mod webhook;

#[cfg(any(test, fuzzing))]
pub mod invariants;
#[cfg(test)]
mod property_tests;

pub use http::error::refuses_address;
pub use http::fields::is_link_token;
pub use options::{Options, OptionsError};
pub use provider::StytchProvider;
pub use webhook::{Signature, WebhookError, WebhookSecret, WebhookSecretError, WebhookVerifier};
