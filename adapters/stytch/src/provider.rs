//! The implementation of the port: for each operation its route, its request, and the errors that
//! count as success.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use guestlist_domain::{
    AuthenticatedSession, Clock, Email, Identity, IdentityPage, IdentityProvider, InviteMail,
    JwtClaims, JwtError, LoginMail, Name, Profile, ProviderError, ProviderErrorKind, SentMail,
};
use serde_json::{Value, json};

use crate::http::client::Client;
use crate::http::error::Idempotency::{Idempotent, NonIdempotent};
use crate::http::error::is_request_id;
use crate::http::responses::{
    AuthenticateResponse, EmptyResponse, SearchPage, SearchResponse, SendResponse,
};
use crate::http::user_responses::{ListResponse, UserResponse};
use crate::jwt::Verifier;
use crate::jwt::keys::Keys;
use crate::options::{Options, OptionsError};
use crate::refresh::SessionRefresher;
use crate::search::SearchBatcher;
use crate::throttle::Throttle;

/// The largest page that Stytch allows.
const SEARCH_LIMIT: u32 = 1000;
/// The number of users who fit into the largest accepted response, each with the largest metadata.
const LIST_LIMIT: u32 = 400;
/// The interval between pages of the list of users. Each page is a search, so it leaves room for
/// others.
const LIST_INTERVAL: Duration = Duration::from_secs(1);
/// The interval between requests for single users: a fifth of the rate of all calls together.
const GET_USER_INTERVAL: Duration = Duration::from_millis(50);
/// The pause after a rate limit. Stytch limits searches in fixed windows of a minute, so a few
/// pauses outlast one.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(20);

/// A project at Stytch.
pub struct StytchProvider {
    client: Client,
    verifier: Verifier,
    refresher: SessionRefresher,
    searches: SearchBatcher,
    list_throttle: Throttle,
    get_user_throttle: Throttle,
    clock: Arc<dyn Clock>,
}

impl StytchProvider {
    /// Creates a provider. Makes no request.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Result<Self, OptionsError> {
        let (project_id, base_url) = (options.project_id.clone(), options.base_url.clone());
        let client = Client::new(options, Arc::clone(&clock))?;
        let keys = Keys::new(client.clone(), Arc::clone(&clock));
        let search_client = client.clone();
        Ok(Self {
            verifier: Verifier::new(&project_id, &base_url, keys, Arc::clone(&clock)),
            refresher: SessionRefresher::default(),
            searches: SearchBatcher::new(move |emails, cursor| {
                search(search_client.clone(), emails, cursor)
            }),
            list_throttle: Throttle::new(LIST_INTERVAL),
            get_user_throttle: Throttle::new(GET_USER_INTERVAL),
            client,
            clock,
        })
    }

    /// Checks the project's credentials, without any effect at Stytch.
    pub async fn check_credentials(&self) -> Result<(), ProviderError> {
        self.client.get(&["v1", "debug", "whoami"]).await.map(|EmptyResponse {}| ())
    }
}

impl fmt::Debug for StytchProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StytchProvider").finish_non_exhaustive()
    }
}

#[async_trait]
impl IdentityProvider for StytchProvider {
    async fn send_invite(&self, mail: &InviteMail) -> Result<SentMail, ProviderError> {
        let mut body = json!({
            "email": mail.email.as_str(),
            "invite_magic_link_url": mail.redirect_url,
            "invite_expiration_minutes": mail.expires_in_minutes,
        });
        if let Some(name) = &mail.name {
            body["name"] = name_parts(name);
        }
        let path = ["v1", "magic_links", "email", "invite"];
        self.client.post(&path, &body, NonIdempotent).await.map(sent)
    }

    async fn send_login(&self, mail: &LoginMail) -> Result<SentMail, ProviderError> {
        let body = json!({
            "email": mail.email.as_str(),
            "login_magic_link_url": mail.redirect_url,
            "signup_magic_link_url": mail.redirect_url,
            "login_expiration_minutes": mail.expires_in_minutes,
            "signup_expiration_minutes": mail.expires_in_minutes,
            "create_user_as_pending": false,
        });
        let path = ["v1", "magic_links", "email", "login_or_create"];
        self.client.post(&path, &body, NonIdempotent).await.map(sent)
    }

    async fn revoke_invite(&self, email: &Email) -> Result<(), ProviderError> {
        let path = ["v1", "magic_links", "email", "revoke_invite"];
        let body = json!({"email": email.as_str()});
        let result = self.client.post(&path, &body, Idempotent).await;
        ignore_errors(result, &["email_not_found", "user_not_found"])
    }

    async fn authenticate_link(
        &self,
        token: &str,
        minutes: u32,
    ) -> Result<AuthenticatedSession, ProviderError> {
        let path = ["v1", "magic_links", "authenticate"];
        let body = json!({"token": token, "session_duration_minutes": minutes});
        let response: AuthenticateResponse = self.client.post(&path, &body, NonIdempotent).await?;
        Ok(response.into_session(self.clock.now()))
    }

    async fn refresh_session(
        &self,
        session_token: &str,
    ) -> Result<AuthenticatedSession, ProviderError> {
        let call = async {
            let path = ["v1", "sessions", "authenticate"];
            // Without `session_duration_minutes`, which would extend the session.
            let body = json!({"session_token": session_token});
            let response: AuthenticateResponse = self.client.post(&path, &body, Idempotent).await?;
            Ok(response.into_session(self.clock.now()))
        };
        self.refresher.refresh(session_token, call).await
    }

    async fn revoke_session(&self, provider_session_id: &str) -> Result<(), ProviderError> {
        let path = ["v1", "sessions", "revoke"];
        let body = json!({"session_id": provider_session_id});
        let result = self.client.post(&path, &body, Idempotent).await;
        ignore_errors(result, &["session_not_found", "invalid_session_id"])
    }

    async fn delete_user(&self, provider_user_id: &str) -> Result<(), ProviderError> {
        check_path_segment(provider_user_id)?;
        let result = self.client.delete(&["v1", "users", provider_user_id]).await;
        ignore_errors(result, &["user_not_found"])
    }

    async fn find_user(&self, email: &Email) -> Result<Option<Identity>, ProviderError> {
        self.searches.find(email).await
    }

    async fn identities(&self, cursor: Option<&str>) -> Result<IdentityPage, ProviderError> {
        self.list_throttle.acquire().await;
        self.searches.acquire().await;
        let mut body = json!({"limit": LIST_LIMIT});
        if let Some(cursor) = cursor {
            body["cursor"] = cursor.into();
        }
        let page: Result<ListResponse, _> =
            self.client.post_slow(&["v1", "users", "search"], &body).await;
        let page = page.inspect_err(|error| {
            if let ProviderErrorKind::RateLimited(retry_after)
            | ProviderErrorKind::BulkMailLimited(retry_after) = error.kind
            {
                self.list_throttle.pause(retry_after.unwrap_or_default().max(RATE_LIMIT_PAUSE));
            }
        });
        Ok(page?.into())
    }

    async fn identity(&self, provider_user_id: &str) -> Result<Option<Profile>, ProviderError> {
        check_path_segment(provider_user_id)?;
        self.get_user_throttle.acquire().await;
        let user: Result<UserResponse, _> =
            self.client.get(&["v1", "users", provider_user_id]).await;
        match user {
            Ok(user) => Ok(Some(user.into())),
            Err(error) if is_rejected_as(&error, &["user_not_found"]) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn verify_jwt(&self, session_jwt: &str) -> Result<JwtClaims, JwtError> {
        self.verifier.verify(session_jwt).await
    }
}

/// Requests a page of the users with any of these addresses.
async fn search(
    client: Client,
    emails: Vec<Email>,
    cursor: Option<String>,
) -> Result<SearchPage, ProviderError> {
    let emails: Vec<_> = emails.iter().map(Email::as_str).collect();
    let operand = json!({"filter_name": "email_address", "filter_value": emails});
    let query = json!({"operator": "AND", "operands": [operand]});
    let mut body = json!({"limit": SEARCH_LIMIT, "query": query});
    if let Some(cursor) = cursor {
        body["cursor"] = cursor.into();
    }
    let response: SearchResponse =
        client.post(&["v1", "users", "search"], &body, Idempotent).await?;
    Ok(response.into())
}

fn name_parts(name: &Name) -> Value {
    match name.as_str().split_once(' ') {
        Some((first, rest)) => json!({"first_name": first, "last_name": rest.trim_start()}),
        None => json!({"first_name": name.as_str()}),
    }
}

fn sent(response: SendResponse) -> SentMail {
    let request_id = response.request_id.filter(|id| is_request_id(id));
    SentMail { provider_user_id: response.user_id, request_id }
}

/// Treats errors with these codes as success: there was nothing to undo.
fn ignore_errors(
    result: Result<EmptyResponse, ProviderError>,
    codes: &[&str],
) -> Result<(), ProviderError> {
    match result {
        Err(error) if !is_rejected_as(&error, codes) => Err(error),
        Ok(EmptyResponse {}) | Err(_) => Ok(()),
    }
}

/// Returns whether Stytch rejected a request with one of these codes and a matching status.
fn is_rejected_as(error: &ProviderError, codes: &[&str]) -> bool {
    error.kind.is_rejection() && codes.contains(&error.code.as_str())
}

/// Rejects texts that a URL drops from its path, which would lead to another route.
fn check_path_segment(text: &str) -> Result<(), ProviderError> {
    if !matches!(text, "" | "." | "..") {
        return Ok(());
    }
    Err(ProviderError {
        kind: ProviderErrorKind::Rejected,
        code: "invalid_user_id".to_owned(),
        message: "not sent: this is not a user id".to_owned(),
        request_id: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_at_its_first_space() {
        for (name, parts) in [
            ("Ada", json!({"first_name": "Ada"})),
            ("Ada Lovelace", json!({"first_name": "Ada", "last_name": "Lovelace"})),
            (
                "Ada  King of Lovelace",
                json!({"first_name": "Ada", "last_name": "King of Lovelace"}),
            ),
        ] {
            assert_eq!(name_parts(&Name::parse(name).unwrap().unwrap()), parts);
        }
    }
}
