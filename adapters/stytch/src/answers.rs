//! What Stytch answers: of each body only what is used, and that read with patience. An answer to
//! `magic_links/authenticate` that can't be read is a token used up for nothing.

use std::collections::HashMap;

use guestlist_domain::{Email, Identity, ProviderSession, Tokens, AuthenticatedSession};
use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};
use serde_json::{Value, value::RawValue};

use crate::searches::FoundPage;

/// Characters of an id.
pub(crate) const MAX_ID: usize = 128;

/// An answer of which nothing but its coming matters.
#[derive(Deserialize)]
pub(crate) struct Done {}

#[derive(Deserialize)]
pub(crate) struct Sent {
    #[serde(deserialize_with = "id")]
    pub(crate) user_id: String,
    #[serde(default, deserialize_with = "patiently")]
    pub(crate) request_id: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Found {
    results: Vec<FoundUser>,
    #[serde(default, deserialize_with = "patiently")]
    results_metadata: FoundMetadata,
}

#[derive(Default, Deserialize)]
struct FoundMetadata {
    #[serde(default, deserialize_with = "patiently")]
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct FoundUser {
    #[serde(deserialize_with = "id")]
    user_id: String,
    #[serde(default, deserialize_with = "each_patiently")]
    emails: Vec<FoundEmail>,
    #[serde(default, deserialize_with = "patiently")]
    created_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct FoundEmail {
    email: String,
}

impl From<Found> for FoundPage {
    /// By the addresses that are seen, as the filter may be understood otherwise over there.
    fn from(found: Found) -> Self {
        let mut identities = HashMap::new();
        for FoundUser { user_id, emails, created_at } in found.results {
            let created_at = created_at.map(whole_microseconds);
            let identity = Identity { provider_user_id: user_id, created_at };
            let emails = emails.iter().filter_map(|found| address(&found.email));
            identities.extend(emails.map(|email| (email, identity.clone())));
        }
        let next = found.results_metadata.next_cursor.filter(|cursor| !cursor.is_empty());
        Self { identities, next }
    }
}

/// Of a user that comes with a session.
#[derive(Default, Deserialize)]
struct User {
    #[serde(default, deserialize_with = "each_patiently")]
    emails: Vec<UserEmail>,
}

#[derive(Deserialize)]
struct UserEmail {
    email_id: String,
    email: String,
}

/// The answer to a link's token, or to a session's.
#[derive(Deserialize)]
pub(crate) struct Authenticated {
    #[serde(default, deserialize_with = "patiently")]
    method_id: Option<String>,
    #[serde(deserialize_with = "token")]
    session_token: String,
    #[serde(deserialize_with = "token")]
    session_jwt: String,
    session: LiveSession,
    #[serde(default, deserialize_with = "patiently")]
    user: User,
}

#[derive(Deserialize)]
struct LiveSession {
    #[serde(deserialize_with = "id")]
    session_id: String,
    #[serde(deserialize_with = "id")]
    user_id: String,
    #[serde(default, deserialize_with = "patiently")]
    started_at: Option<Timestamp>,
    expires_at: Timestamp,
    #[serde(default, deserialize_with = "each_patiently")]
    authentication_factors: Vec<Factor>,
}

#[derive(Deserialize)]
struct Factor {
    email_factor: EmailFactor,
}

#[derive(Deserialize)]
struct EmailFactor {
    email_id: String,
    email_address: String,
}

impl Authenticated {
    pub(crate) fn vouched(self, now: Timestamp) -> AuthenticatedSession {
        let email = self.email();
        let session = ProviderSession {
            provider_session_id: self.session.session_id,
            provider_user_id: self.session.user_id,
            started_at: self.session.started_at.map_or(now, whole_microseconds),
            expires_at: whole_microseconds(self.session.expires_at),
        };
        let tokens = Tokens { session_token: self.session_token, session_jwt: self.session_jwt };
        AuthenticatedSession { session, tokens, email }
    }

    /// The address that the link was sent to: the one of `method_id`, for a person may have
    /// several; else the only one that is named.
    fn email(&self) -> Option<Email> {
        let factors = self.session.authentication_factors.iter().map(|factor| &factor.email_factor);
        let factors = factors.map(|factor| (&factor.email_id, &factor.email_address));
        let emails = self.user.emails.iter().map(|email| (&email.email_id, &email.email));
        let known: Vec<_> = factors.chain(emails).map(|(id, text)| (id, address(text))).collect();
        let asked = known.iter().find(|(id, _)| Some(*id) == self.method_id.as_ref());
        let is_only = known.windows(2).all(|two| two[0].1 == two[1].1);
        asked.or_else(|| known.first().filter(|_| is_only)).and_then(|(_, email)| email.clone())
    }
}

/// Stytch's error envelope, as far as it is one.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Refusal {
    #[serde(default, deserialize_with = "patiently")]
    pub(crate) error_type: Option<String>,
    #[serde(default, deserialize_with = "patiently")]
    pub(crate) error_message: Option<String>,
    #[serde(default, deserialize_with = "patiently")]
    pub(crate) request_id: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Jwks {
    keys: Vec<Value>,
}

impl Jwks {
    /// The keys of known form; a strange one does not spoil the others.
    pub(crate) fn keys(self) -> impl Iterator<Item = Jwk> {
        self.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok())
    }
}

#[derive(Deserialize)]
pub(crate) struct Jwk {
    pub(crate) kid: String,
    pub(crate) kty: String,
    #[serde(default)]
    pub(crate) alg: Option<String>,
    #[serde(default, rename = "use")]
    pub(crate) usage: Option<String>,
    pub(crate) n: String,
    pub(crate) e: String,
}

pub(crate) fn address(text: &str) -> Option<Email> {
    Email::parse(text).ok()
}

/// What every database keeps.
pub(crate) fn whole_microseconds(t: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(t.as_microsecond()).unwrap_or(t)
}

/// What can be kept, and sent back, as an id. Stytch's have 50 characters or so; as many as this
/// the databases hold.
pub(crate) fn id<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = token(from)?;
    if text.len() > MAX_ID { Err(D::Error::custom("too long for an id")) } else { Ok(text) }
}

/// What can stand in a header. Stytch writes `""` for a session that was not made.
fn token<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_token { Ok(text) } else { Err(D::Error::custom("not an id or a token")) }
}

/// The value, or nothing where it has another shape.
pub(crate) fn patiently<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(read(&Raw::deserialize(from)?).unwrap_or_default())
}

/// The list without the elements that have another shape.
fn each_patiently<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let values: Vec<Raw> = patiently(from)?;
    Ok(values.iter().filter_map(read).collect())
}

/// Any JSON, as it came: as a [`Value`] it could not be nested deeper than that allows, nor hold
/// a number that none of Rust's types holds, and people write some of what Stytch keeps of them.
type Raw = Box<RawValue>;

fn read<T: DeserializeOwned>(raw: &Raw) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}
