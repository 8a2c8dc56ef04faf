//! The port's calls, one by one: which route, what is asked, and what counts as done.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use guestlist_domain::{
    Clock, SentMail, Email, Identity, IdentityPage, IdentityProvider, InviteMail, JwtClaims,
    JwtError, LoginMail, Profile, ProviderError, ProviderErrorKind, AuthenticatedSession,
};

use crate::{
    answers::{Authenticated, Done, Found, Sent},
    asks::{
        AuthenticateLink, AuthenticateSession, List, LoginOrCreate, NameParts, RevokeInvite,
        RevokeSession, Search, SendInvite,
    },
    client::Client,
    error::{
        Repeat::{Felt, Harmless},
        is_request_id,
    },
    jwt::Verifier,
    keys::Keys,
    options::{Options, OptionsError},
    pace::Pace,
    profiles::{Described, Listed},
    refresh::Refreshes,
    searches::{FoundPage, Searches},
};

/// Between two pages of the list of users. Each is a search, too, and others want to search
/// meanwhile.
const PAGES_APART: Duration = Duration::from_secs(1);
/// Between two looks at one user each: a fifth of what all calls together may come to.
const LOOKS_APART: Duration = Duration::from_millis(50);
/// Stytch's windows are fixed, and that of searches is a minute: after a few of these it is over.
const WINDOW: Duration = Duration::from_secs(20);

/// One project at Stytch.
pub struct StytchProvider {
    client: Client,
    verifier: Verifier,
    refreshes: Refreshes,
    searches: Searches,
    pages: Pace,
    looks: Pace,
    clock: Arc<dyn Clock>,
}

impl StytchProvider {
    /// Calls nobody yet.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Result<Self, OptionsError> {
        let (project_id, base_url) = (options.project_id.clone(), options.base_url.clone());
        let client = Client::new(options, Arc::clone(&clock))?;
        let keys = Keys::new(client.clone(), Arc::clone(&clock));
        let verifier = Verifier::new(&project_id, &base_url, keys, Arc::clone(&clock));
        let for_search = client.clone();
        let searches =
            Searches::new(move |emails, cursor| search(for_search.clone(), emails, cursor));
        let (pages, looks) = (Pace::new(PAGES_APART), Pace::new(LOOKS_APART));
        let refreshes = Refreshes::default();
        Ok(Self { client, verifier, refreshes, searches, pages, looks, clock })
    }

    /// Asks Stytch whether it knows us. Costs nothing, changes nothing.
    pub async fn check_credentials(&self) -> Result<(), ProviderError> {
        self.client.get(&["v1", "debug", "whoami"]).await.map(|Done {}| ())
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
        let body = SendInvite {
            email: mail.email.as_str(),
            name: mail.name.as_ref().map(NameParts::from),
            invite_magic_link_url: &mail.redirect_url,
            invite_expiration_minutes: mail.expires_in_minutes,
        };
        let path = ["v1", "magic_links", "email", "invite"];
        self.client.post(&path, &body, Felt).await.map(delivered)
    }

    async fn send_login(&self, mail: &LoginMail) -> Result<SentMail, ProviderError> {
        let body = LoginOrCreate {
            email: mail.email.as_str(),
            login_magic_link_url: &mail.redirect_url,
            signup_magic_link_url: &mail.redirect_url,
            login_expiration_minutes: mail.expires_in_minutes,
            signup_expiration_minutes: mail.expires_in_minutes,
            create_user_as_pending: false,
        };
        let path = ["v1", "magic_links", "email", "login_or_create"];
        self.client.post(&path, &body, Felt).await.map(delivered)
    }

    async fn revoke_invite(&self, email: &Email) -> Result<(), ProviderError> {
        let path = ["v1", "magic_links", "email", "revoke_invite"];
        let body = RevokeInvite { email: email.as_str() };
        let answer = self.client.post(&path, &body, Harmless).await;
        done(answer, &["email_not_found", "user_not_found"])
    }

    async fn authenticate_link(&self, token: &str, minutes: u32) -> Result<AuthenticatedSession, ProviderError> {
        let path = ["v1", "magic_links", "authenticate"];
        let body = AuthenticateLink { token, session_duration_minutes: minutes };
        let answer: Authenticated = self.client.post(&path, &body, Felt).await?;
        Ok(answer.vouched(self.clock.now()))
    }

    async fn refresh_session(&self, session_token: &str) -> Result<AuthenticatedSession, ProviderError> {
        let call = async {
            let path = ["v1", "sessions", "authenticate"];
            let body = AuthenticateSession { session_token };
            let answer: Authenticated = self.client.post(&path, &body, Harmless).await?;
            Ok(answer.vouched(self.clock.now()))
        };
        self.refreshes.share(session_token, call).await
    }

    async fn revoke_session(&self, provider_session_id: &str) -> Result<(), ProviderError> {
        let path = ["v1", "sessions", "revoke"];
        let body = RevokeSession { session_id: provider_session_id };
        let answer = self.client.post(&path, &body, Harmless).await;
        done(answer, &["session_not_found", "invalid_session_id"])
    }

    async fn delete_user(&self, provider_user_id: &str) -> Result<(), ProviderError> {
        if is_no_segment(provider_user_id) {
            return Err(not_an_id());
        }
        let answer = self.client.delete(&["v1", "users", provider_user_id]).await;
        done(answer, &["user_not_found"])
    }

    async fn find_user(&self, email: &Email) -> Result<Option<Identity>, ProviderError> {
        self.searches.find(email).await
    }

    async fn identities(&self, cursor: Option<&str>) -> Result<IdentityPage, ProviderError> {
        self.pages.turn().await;
        self.searches.turn().await;
        let body = List::from(cursor);
        let listed: Result<Listed, _> =
            self.client.post_patiently(&["v1", "users", "search"], &body).await;
        let listed = listed.inspect_err(|error| {
            if let ProviderErrorKind::RateLimited(said) | ProviderErrorKind::BulkMailLimited(said) = error.kind {
                self.pages.hold(said.unwrap_or_default().max(WINDOW));
            }
        });
        Ok(listed?.into())
    }

    async fn identity(&self, provider_user_id: &str) -> Result<Option<Profile>, ProviderError> {
        if is_no_segment(provider_user_id) {
            return Err(not_an_id());
        }
        self.looks.turn().await;
        let answer: Result<Described, _> = self.client.get(&["v1", "users", provider_user_id]).await;
        match answer {
            Ok(described) => Ok(Some(described.into())),
            Err(error) if says_one_of(&error, &["user_not_found"]) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn verify_jwt(&self, session_jwt: &str) -> Result<JwtClaims, JwtError> {
        self.verifier.verify(session_jwt).await
    }
}

/// A page of whoever has one of these addresses.
async fn search(
    client: Client,
    emails: Vec<Email>,
    cursor: Option<String>,
) -> Result<FoundPage, ProviderError> {
    let body = Search::by_address(&emails, cursor.as_deref());
    let found: Found = client.post(&["v1", "users", "search"], &body, Harmless).await?;
    Ok(found.into())
}

fn delivered(sent: Sent) -> SentMail {
    let request_id = sent.request_id.filter(|id| is_request_id(id));
    SentMail { provider_user_id: sent.user_id, request_id }
}

/// That there was nothing to undo is success.
fn done(answer: Result<Done, ProviderError>, absent: &[&str]) -> Result<(), ProviderError> {
    match answer {
        Err(error) if !says_one_of(&error, absent) => Err(error),
        Ok(Done {}) | Err(_) => Ok(()),
    }
}

/// Whether it is one of these words, said with a status that goes with it.
fn says_one_of(error: &ProviderError, words: &[&str]) -> bool {
    error.kind.is_rejection() && words.contains(&error.code.as_str())
}

/// A URL drops such segments: the call would go to another route.
fn is_no_segment(text: &str) -> bool {
    matches!(text, "" | "." | "..")
}

fn not_an_id() -> ProviderError {
    ProviderError {
        kind: ProviderErrorKind::Rejected,
        code: "invalid_user_id".to_owned(),
        message: "not sent: this can't be the id of a user".to_owned(),
        request_id: None,
    }
}
