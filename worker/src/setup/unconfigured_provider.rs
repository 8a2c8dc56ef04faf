//! The identity provider of commands that only enqueue, which need no account at Stytch.

use async_trait::async_trait;
use guestlist_domain::{
    AuthenticatedSession, Email, Identity, IdentityPage, IdentityProvider, InviteMail, JwtClaims,
    JwtError, LoginMail, Profile, ProviderError, ProviderErrorKind, SentMail,
};

/// Fails each call with a configuration error.
#[derive(Debug, Clone, Copy)]
pub struct UnconfiguredProvider;

fn not_configured() -> ProviderError {
    ProviderError {
        kind: ProviderErrorKind::Misconfigured,
        code: "not_configured".to_owned(),
        message: "STYTCH_PROJECT_ID and STYTCH_SECRET are not set".to_owned(),
        request_id: None,
    }
}

#[async_trait]
impl IdentityProvider for UnconfiguredProvider {
    async fn send_invite(&self, _: &InviteMail) -> Result<SentMail, ProviderError> {
        Err(not_configured())
    }

    async fn send_login(&self, _: &LoginMail) -> Result<SentMail, ProviderError> {
        Err(not_configured())
    }

    async fn revoke_invite(&self, _: &Email) -> Result<(), ProviderError> {
        Err(not_configured())
    }

    async fn authenticate_link(
        &self,
        _: &str,
        _: u32,
    ) -> Result<AuthenticatedSession, ProviderError> {
        Err(not_configured())
    }

    async fn refresh_session(&self, _: &str) -> Result<AuthenticatedSession, ProviderError> {
        Err(not_configured())
    }

    async fn revoke_session(&self, _: &str) -> Result<(), ProviderError> {
        Err(not_configured())
    }

    async fn delete_user(&self, _: &str) -> Result<(), ProviderError> {
        Err(not_configured())
    }

    async fn find_user(&self, _: &Email) -> Result<Option<Identity>, ProviderError> {
        Err(not_configured())
    }

    async fn identities(&self, _: Option<&str>) -> Result<IdentityPage, ProviderError> {
        Err(not_configured())
    }

    async fn identity(&self, _: &str) -> Result<Option<Profile>, ProviderError> {
        Err(not_configured())
    }

    async fn verify_jwt(&self, _: &str) -> Result<JwtClaims, JwtError> {
        Err(JwtError::KeysUnavailable)
    }
}
