//! Response bodies, of which only the fields that Guestlist uses are read.

use std::collections::HashMap;

use guestlist_domain::{AuthenticatedSession, Email, Identity, ProviderSession, Tokens};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::fields::{self, id, lenient, lenient_list, token, whole_microseconds};

/// A response whose body is not used.
#[derive(Deserialize)]
pub(crate) struct EmptyResponse {}

#[derive(Deserialize)]
pub(crate) struct SendResponse {
    #[serde(deserialize_with = "id")]
    pub(crate) user_id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) request_id: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct SearchResponse {
    results: Vec<FoundUser>,
    #[serde(default, deserialize_with = "lenient")]
    results_metadata: SearchMetadata,
}

#[derive(Default, Deserialize)]
struct SearchMetadata {
    #[serde(default, deserialize_with = "lenient")]
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct FoundUser {
    #[serde(deserialize_with = "id")]
    user_id: String,
    #[serde(default, deserialize_with = "lenient_list")]
    emails: Vec<FoundEmail>,
    #[serde(default, deserialize_with = "lenient")]
    created_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct FoundEmail {
    email: String,
}

/// A page of search results.
pub(crate) struct SearchPage {
    /// Identities by address, including further addresses that were not searched for.
    pub(crate) identities: HashMap<Email, Identity>,
    /// The cursor of the next page, if there is one.
    pub(crate) next: Option<String>,
}

impl From<SearchResponse> for SearchPage {
    /// Indexes by the addresses in the results, in case Stytch matched the filter in another way.
    fn from(response: SearchResponse) -> Self {
        let mut identities = HashMap::new();
        for FoundUser { user_id, emails, created_at } in response.results {
            let created_at = created_at.map(whole_microseconds);
            let identity = Identity { provider_user_id: user_id, created_at };
            let emails = emails.iter().filter_map(|found| fields::email(&found.email));
            identities.extend(emails.map(|email| (email, identity.clone())));
        }
        let next = response.results_metadata.next_cursor.filter(|cursor| !cursor.is_empty());
        Self { identities, next }
    }
}

/// The user in an [`AuthenticateResponse`].
#[derive(Default, Deserialize)]
struct User {
    #[serde(default, deserialize_with = "lenient_list")]
    emails: Vec<UserEmail>,
}

#[derive(Deserialize)]
struct UserEmail {
    email_id: String,
    email: String,
}

/// The response to the authentication of a magic link or a session.
#[derive(Deserialize)]
pub(crate) struct AuthenticateResponse {
    #[serde(default, deserialize_with = "lenient")]
    method_id: Option<String>,
    #[serde(deserialize_with = "token")]
    session_token: String,
    #[serde(deserialize_with = "token")]
    session_jwt: String,
    session: LiveSession,
    #[serde(default, deserialize_with = "lenient")]
    user: User,
}

#[derive(Deserialize)]
struct LiveSession {
    #[serde(deserialize_with = "id")]
    session_id: String,
    #[serde(deserialize_with = "id")]
    user_id: String,
    #[serde(default, deserialize_with = "lenient")]
    started_at: Option<Timestamp>,
    expires_at: Timestamp,
    #[serde(default, deserialize_with = "lenient_list")]
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

impl AuthenticateResponse {
    pub(crate) fn into_session(self, now: Timestamp) -> AuthenticatedSession {
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

    /// Returns the address that the link was sent to: the one that `method_id` names, since a user
    /// may have several, or else the only one in the response.
    fn email(&self) -> Option<Email> {
        let factors = self.session.authentication_factors.iter().map(|factor| &factor.email_factor);
        let factors = factors.map(|factor| (&factor.email_id, &factor.email_address));
        let emails = self.user.emails.iter().map(|email| (&email.email_id, &email.email));
        let known: Vec<_> =
            factors.chain(emails).map(|(id, text)| (id, fields::email(text))).collect();
        let used = known.iter().find(|(id, _)| Some(*id) == self.method_id.as_ref());
        let is_only = known.windows(2).all(|pair| pair[0].1 == pair[1].1);
        used.or_else(|| known.first().filter(|_| is_only)).and_then(|(_, email)| email.clone())
    }
}

/// Stytch's error envelope. Any field may be missing, as proxies send errors of their own.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrorBody {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) error_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) error_message: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) request_id: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct JwksResponse {
    keys: Vec<Value>,
}

impl JwksResponse {
    /// Returns the keys that can be parsed.
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
