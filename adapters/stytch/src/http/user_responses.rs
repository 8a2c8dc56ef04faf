//! Responses that describe users, for comparison with local users.
//!
//! They are read strictly, unlike other responses: a user who is missing from a list is taken to be
//! deleted, so a list that can't be read completely is an error.

use guestlist_domain::{IdentityPage, Profile, ProfileStatus};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::fields::{self, id, lenient, whole_microseconds};

#[derive(Deserialize)]
pub(crate) struct ListResponse {
    results: Vec<UserResponse>,
    results_metadata: ListMetadata,
}

#[derive(Deserialize)]
struct ListMetadata {
    #[serde(default)]
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct UserResponse {
    #[serde(deserialize_with = "id")]
    user_id: String,
    emails: Vec<UserEmail>,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    created_at: Option<Timestamp>,
    #[serde(default)]
    phone_numbers: IsPresent,
    #[serde(default)]
    providers: IsPresent,
    #[serde(default)]
    webauthn_registrations: IsPresent,
    #[serde(default)]
    biometric_registrations: IsPresent,
    #[serde(default)]
    totps: IsPresent,
    #[serde(default)]
    crypto_wallets: IsPresent,
    #[serde(default)]
    password: IsPresent,
}

/// Whether a field of any type has a value that is not empty.
#[derive(Default)]
struct IsPresent(bool);

#[derive(Deserialize)]
struct UserEmail {
    email: String,
}

impl From<ListResponse> for IdentityPage {
    fn from(list: ListResponse) -> Self {
        let next = list.results_metadata.next_cursor.filter(|cursor| !cursor.is_empty());
        Self { profiles: list.results.into_iter().map(Profile::from).collect(), next }
    }
}

impl From<UserResponse> for Profile {
    fn from(user: UserResponse) -> Self {
        let count = user.emails.len();
        let emails = user.emails.iter();
        let emails: Vec<_> = emails.filter_map(|email| fields::email(&email.email)).collect();
        // Stytch may send links to an address that Guestlist does not accept.
        let has_other_login_methods = emails.len() < count || user.has_other_factors();
        let status = match user.status.as_deref() {
            Some("pending") => ProfileStatus::Pending,
            Some("active") => ProfileStatus::Active,
            _ => ProfileStatus::Unknown,
        };
        Self {
            provider_user_id: user.user_id,
            emails,
            has_other_login_methods,
            status,
            created_at: user.created_at.map(whole_microseconds),
        }
    }
}

impl UserResponse {
    fn has_other_factors(&self) -> bool {
        let factors = [
            &self.phone_numbers,
            &self.providers,
            &self.webauthn_registrations,
            &self.biometric_registrations,
            &self.totps,
            &self.crypto_wallets,
            &self.password,
        ];
        factors.iter().any(|factor| factor.0)
    }
}

impl<'de> Deserialize<'de> for IsPresent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(match Value::deserialize(from)? {
            Value::Null | Value::Bool(false) => false,
            Value::Array(list) => !list.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            Value::String(text) => !text.is_empty(),
            Value::Bool(true) | Value::Number(_) => true,
        }))
    }
}
