//! Stytch's users, read to be compared with ours. Here, unlike elsewhere, an answer of another
//! shape than expected is no answer: whoever is left out of a list is taken to be gone.

use guestlist_domain::{IdentityPage, Profile, ProfileStatus};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::answers::{address, id, patiently, whole_microseconds};

#[derive(Deserialize)]
pub(crate) struct Listed {
    results: Vec<Described>,
    results_metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Described {
    #[serde(deserialize_with = "id")]
    user_id: String,
    emails: Vec<DescribedEmail>,
    #[serde(default, deserialize_with = "patiently")]
    status: Option<String>,
    #[serde(default, deserialize_with = "patiently")]
    created_at: Option<Timestamp>,
    #[serde(default)]
    phone_numbers: Other,
    #[serde(default)]
    providers: Other,
    #[serde(default)]
    webauthn_registrations: Other,
    #[serde(default)]
    biometric_registrations: Other,
    #[serde(default)]
    totps: Other,
    #[serde(default)]
    crypto_wallets: Other,
    #[serde(default)]
    password: Other,
}

/// Whether there is anything at all of a kind, in whatever shape.
#[derive(Default)]
struct Other(bool);

#[derive(Deserialize)]
struct DescribedEmail {
    email: String,
}

impl From<Listed> for IdentityPage {
    fn from(listed: Listed) -> Self {
        let next = listed.results_metadata.next_cursor.filter(|cursor| !cursor.is_empty());
        Self { profiles: listed.results.into_iter().map(Profile::from).collect(), next }
    }
}

impl From<Described> for Profile {
    fn from(user: Described) -> Self {
        let count = user.emails.len();
        let emails = user.emails.iter();
        let emails: Vec<_> = emails.filter_map(|described| address(&described.email)).collect();
        // What is no address to us may let somebody in all the same.
        let has_other_ways_in = emails.len() < count || user.has_other_ways_in();
        let status = match user.status.as_deref() {
            Some("pending") => ProfileStatus::Pending,
            Some("active") => ProfileStatus::Active,
            _ => ProfileStatus::Unknown,
        };
        Self {
            provider_user_id: user.user_id,
            emails,
            has_other_ways_in,
            status,
            created_at: user.created_at.map(whole_microseconds),
        }
    }
}

impl Described {
    fn has_other_ways_in(&self) -> bool {
        let others = [
            &self.phone_numbers,
            &self.providers,
            &self.webauthn_registrations,
            &self.biometric_registrations,
            &self.totps,
            &self.crypto_wallets,
            &self.password,
        ];
        others.iter().any(|other| other.0)
    }
}

impl<'de> Deserialize<'de> for Other {
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
