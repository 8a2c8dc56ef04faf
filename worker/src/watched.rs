//! Stytch as the worker calls it: what every call comes to is noted.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use guestlist_domain::{
    SentMail, Email, Identity, IdentityPage, IdentityProvider, InviteMail, JwtClaims, JwtError,
    LoginMail, Profile, ProviderError, ProviderErrorKind, AuthenticatedSession,
};

use crate::metrics::Metrics;
use crate::protection::Protection;

/// A provider whose answers are noted.
pub struct Watched {
    provider: Arc<dyn IdentityProvider>,
    protection: Protection,
    metrics: Metrics,
}

impl Watched {
    /// Over a provider.
    pub fn new(
        provider: Arc<dyn IdentityProvider>,
        protection: Protection,
        metrics: Metrics,
    ) -> Self {
        Self { provider, protection, metrics }
    }

    async fn noted<T>(
        &self,
        call: &'static str,
        answer: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let answer = self.counted(call, answer).await;
        self.protection.note(answer.as_ref().err());
        answer
    }

    /// Searches are slow, have a limit of their own, and answer many callers at once: they say
    /// nothing of sending, unless nobody knows us any more. What is paced waits for its turn, too.
    async fn noted_aside<T>(
        &self,
        call: &'static str,
        answer: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let answer = self.counted(call, answer).await;
        let error = answer.as_ref().err();
        if let Some(error) = error.filter(|e| e.kind == ProviderErrorKind::Misconfigured) {
            self.protection.note(Some(error));
        }
        answer
    }

    async fn counted<T>(
        &self,
        call: &'static str,
        answer: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let began = Instant::now();
        let answer = answer.await;
        self.metrics.called(call, answer.as_ref().err(), began.elapsed());
        answer
    }
}

#[async_trait]
impl IdentityProvider for Watched {
    async fn send_invite(&self, mail: &InviteMail) -> Result<SentMail, ProviderError> {
        self.noted("invite", self.provider.send_invite(mail)).await
    }

    async fn send_login(&self, mail: &LoginMail) -> Result<SentMail, ProviderError> {
        self.noted("login", self.provider.send_login(mail)).await
    }

    async fn revoke_invite(&self, email: &Email) -> Result<(), ProviderError> {
        self.noted("revoke_invite", self.provider.revoke_invite(email)).await
    }

    async fn authenticate_link(&self, token: &str, minutes: u32) -> Result<AuthenticatedSession, ProviderError> {
        self.noted("authenticate", self.provider.authenticate_link(token, minutes)).await
    }

    async fn refresh_session(&self, session_token: &str) -> Result<AuthenticatedSession, ProviderError> {
        self.noted("refresh_session", self.provider.refresh_session(session_token)).await
    }

    async fn revoke_session(&self, provider_session_id: &str) -> Result<(), ProviderError> {
        self.noted("revoke_session", self.provider.revoke_session(provider_session_id)).await
    }

    async fn delete_user(&self, provider_user_id: &str) -> Result<(), ProviderError> {
        self.noted("delete_user", self.provider.delete_user(provider_user_id)).await
    }

    async fn find_user(&self, email: &Email) -> Result<Option<Identity>, ProviderError> {
        self.noted_aside("find_user", self.provider.find_user(email)).await
    }

    async fn identities(&self, cursor: Option<&str>) -> Result<IdentityPage, ProviderError> {
        self.noted_aside("identities", self.provider.identities(cursor)).await
    }

    async fn identity(&self, provider_user_id: &str) -> Result<Option<Profile>, ProviderError> {
        self.noted_aside("identity", self.provider.identity(provider_user_id)).await
    }

    async fn verify_jwt(&self, session_jwt: &str) -> Result<JwtClaims, JwtError> {
        self.provider.verify_jwt(session_jwt).await
    }
}
