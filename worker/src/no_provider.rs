//! In place of Stytch where none was named: commands that only enqueue need no account.

use async_trait::async_trait;
use guestlist_domain::{
    SentMail, Email, Identity, IdentityPage, IdentityProvider, InviteMail, JwtClaims, JwtError,
    LoginMail, Profile, ProviderError, ProviderErrorKind, AuthenticatedSession,
};

/// Refuses everything, as a missing configuration does.
#[derive(Debug, Clone, Copy)]
pub struct NoProvider;

fn refusal() -> ProviderError {
    ProviderError {
        kind: ProviderErrorKind::Misconfigured,
        code: "not_configured".to_owned(),
        message: "STYTCH_PROJECT_ID and STYTCH_SECRET are not set".to_owned(),
        request_id: None,
    }
}

#[async_trait]
impl IdentityProvider for NoProvider {
    async fn send_invite(&self, _: &InviteMail) -> Result<SentMail, ProviderError> {
        Err(refusal())
    }

    async fn send_login(&self, _: &LoginMail) -> Result<SentMail, ProviderError> {
        Err(refusal())
    }

    async fn revoke_invite(&self, _: &Email) -> Result<(), ProviderError> {
        Err(refusal())
    }

    async fn authenticate_link(&self, _: &str, _: u32) -> Result<AuthenticatedSession, ProviderError> {
        Err(refusal())
    }

    async fn refresh_session(&self, _: &str) -> Result<AuthenticatedSession, ProviderError> {
        Err(refusal())
    }

    async fn revoke_session(&self, _: &str) -> Result<(), ProviderError> {
        Err(refusal())
    }

    async fn delete_user(&self, _: &str) -> Result<(), ProviderError> {
        Err(refusal())
    }

    async fn find_user(&self, _: &Email) -> Result<Option<Identity>, ProviderError> {
        Err(refusal())
    }

    async fn identities(&self, _: Option<&str>) -> Result<IdentityPage, ProviderError> {
        Err(refusal())
    }

    async fn identity(&self, _: &str) -> Result<Option<Profile>, ProviderError> {
        Err(refusal())
    }

    async fn verify_jwt(&self, _: &str) -> Result<JwtClaims, JwtError> {
        Err(JwtError::KeysUnavailable)
    }
}
