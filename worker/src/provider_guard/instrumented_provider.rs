//! The identity provider with metrics and the circuit breaker around each call.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use guestlist_domain::{
    AuthenticatedSession, Email, Identity, IdentityPage, IdentityProvider, InviteMail, JwtClaims,
    JwtError, LoginMail, Profile, ProviderError, ProviderErrorKind, SentMail,
};

use self::CallKind::{Direct, Search};
use super::ProviderGuard;
use crate::metrics::Metrics;

/// An identity provider that records the result of each call.
pub struct InstrumentedProvider {
    pub provider: Arc<dyn IdentityProvider>,
    pub guard: ProviderGuard,
    pub metrics: Metrics,
}

/// What the circuit breaker learns from a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallKind {
    /// Its result counts.
    Direct,
    /// Only wrong credentials count: searches have a rate limit of their own and are batched, so
    /// their failures say nothing about sending.
    Search,
}

impl InstrumentedProvider {
    /// Records the result of a call; `label` names it in metrics.
    async fn instrument<T>(
        &self,
        kind: CallKind,
        label: &str,
        future: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let started = Instant::now();
        let result = future.await;
        let error = result.as_ref().err();
        self.metrics.record_call(label, error, started.elapsed());
        let is_misconfigured = error.is_some_and(|e| e.kind == ProviderErrorKind::Misconfigured);
        if is_misconfigured || kind == Direct {
            self.guard.record_call(error);
        }
        result
    }
}

#[async_trait]
impl IdentityProvider for InstrumentedProvider {
    async fn send_invite(&self, mail: &InviteMail) -> Result<SentMail, ProviderError> {
        self.instrument(Direct, "invite", self.provider.send_invite(mail)).await
    }

    async fn send_login(&self, mail: &LoginMail) -> Result<SentMail, ProviderError> {
        self.instrument(Direct, "login", self.provider.send_login(mail)).await
    }

    async fn revoke_invite(&self, email: &Email) -> Result<(), ProviderError> {
        self.instrument(Direct, "revoke_invite", self.provider.revoke_invite(email)).await
    }

    async fn authenticate_link(
        &self,
        token: &str,
        minutes: u32,
    ) -> Result<AuthenticatedSession, ProviderError> {
        self.instrument(Direct, "authenticate", self.provider.authenticate_link(token, minutes))
            .await
    }

    async fn refresh_session(
        &self,
        session_token: &str,
    ) -> Result<AuthenticatedSession, ProviderError> {
        self.instrument(Direct, "refresh_session", self.provider.refresh_session(session_token))
            .await
    }

    async fn revoke_session(&self, provider_session_id: &str) -> Result<(), ProviderError> {
        self.instrument(Direct, "revoke_session", self.provider.revoke_session(provider_session_id))
            .await
    }

    async fn delete_user(&self, provider_user_id: &str) -> Result<(), ProviderError> {
        self.instrument(Direct, "delete_user", self.provider.delete_user(provider_user_id)).await
    }

    async fn find_user(&self, email: &Email) -> Result<Option<Identity>, ProviderError> {
        self.instrument(Search, "find_user", self.provider.find_user(email)).await
    }

    async fn identities(&self, cursor: Option<&str>) -> Result<IdentityPage, ProviderError> {
        self.instrument(Search, "identities", self.provider.identities(cursor)).await
    }

    async fn identity(&self, provider_user_id: &str) -> Result<Option<Profile>, ProviderError> {
        self.instrument(Search, "identity", self.provider.identity(provider_user_id)).await
    }

    async fn verify_jwt(&self, session_jwt: &str) -> Result<JwtClaims, JwtError> {
        self.provider.verify_jwt(session_jwt).await
    }
}
