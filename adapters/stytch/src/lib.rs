//! Stytch (Consumer) behind the port [`IdentityProvider`](guestlist_domain::IdentityProvider), by
//! plain HTTP.
//!
//! Not by Stytch's own crate: that one has no timeouts, loses the status of an answer that is not
//! JSON, turns an unknown enum value into an error after the token was used up, and logs tokens
//!. What is read here is only what is used; everything else may change.
//!
//! Nothing is retried in here, except the fetch of the public keys. What a caller can do about a
//! failure is said by [`ProviderErrorKind`](guestlist_domain::ProviderErrorKind); the table behind
//! it is `error.rs`.

mod answers;
mod asks;
mod client;
mod error;
mod jwt;
mod keys;
mod options;
mod pace;
mod profiles;
mod provider;
mod refresh;
mod scrub;
mod searches;
mod tokens;
mod webhooks;

#[cfg(test)]
mod properties;
#[cfg(any(test, fuzzing))]
pub mod whatever;

pub use options::{Options, OptionsError};
pub use provider::StytchProvider;
pub use tokens::is_link_token;
pub use webhooks::{Signature, WebhookError, WebhookSecret, WebhookSecretError, Webhooks};
