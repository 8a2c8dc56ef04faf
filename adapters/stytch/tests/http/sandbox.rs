//! Tests of the whole life of an identity against the sandbox, which behaves as Stytch does.

use std::{sync::Arc, time::Duration};

use guestlist_domain::{
    AuthenticatedSession, Email, IdentityProvider, JwtError, ProviderErrorKind, SystemClock,
};
use guestlist_stytch::{Options, StytchProvider};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use stytch_sandbox::{Credentials, Sandbox};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::requests::{ada, invite, login};

pub(crate) struct TestSandbox {
    pub(crate) provider: StytchProvider,
    options: Options,
    url: String,
    http: reqwest::Client,
    _running: DropGuard,
}

impl TestSandbox {
    pub(crate) async fn start(change: impl FnOnce(&mut Credentials)) -> Self {
        let mut credentials = Credentials::generate();
        let listen = ([127, 0, 0, 1], 0).into();
        let mut options = stytch_sandbox::Options::new(listen, credentials.clone());
        options.mail_limit = false;
        let sandbox = Sandbox::bind(options).await.unwrap();
        let (url, stop) = (sandbox.url(), CancellationToken::new());
        tokio::spawn(sandbox.serve(stop.clone()));
        change(&mut credentials);
        let Credentials { project_id, secret } = credentials;
        let options = Options::new(project_id, secret.into(), Some(url.parse().unwrap())).unwrap();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy();
        Self {
            provider: StytchProvider::new(options.clone(), Arc::new(SystemClock)).unwrap(),
            options,
            url,
            http: http.build().unwrap(),
            _running: stop.drop_guard(),
        }
    }

    /// Returns a second provider without cached results, as in another process.
    pub(crate) fn new_provider(&self) -> StytchProvider {
        StytchProvider::new(self.options.clone(), Arc::new(SystemClock)).unwrap()
    }

    /// Returns the token and the kind of the last mail to Ada.
    async fn last_mail(&self) -> (String, String) {
        let url = format!("{}/sandbox/emails?to=ada@example.com", self.url);
        let mails: Vec<Value> = self.http.get(url).send().await.unwrap().json().await.unwrap();
        let text = |key: &str| mails.last().unwrap()[key].as_str().unwrap().to_owned();
        (text("token"), text("kind"))
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) {
        let request = self.http.put(format!("{}/sandbox/{path}", self.url)).json(body);
        request.send().await.unwrap().error_for_status().unwrap();
    }

    pub(crate) async fn rotate_keys(&self) {
        let request = self.http.post(format!("{}/sandbox/jwks/rotate", self.url)).json(&json!({}));
        request.send().await.unwrap().error_for_status().unwrap();
    }

    /// Logs Ada in.
    pub(crate) async fn log_in(&self) -> AuthenticatedSession {
        self.provider.send_login(&login()).await.unwrap();
        let (token, _) = self.last_mail().await;
        self.provider.authenticate_link(&token, 60).await.unwrap()
    }

    /// Sends an API request that the provider has no method for.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let secret = self.options.secret.expose_secret();
        let request = self.http.post(format!("{}/v1/{path}", self.url)).json(body);
        let request = request.basic_auth(&self.options.project_id, Some(secret));
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    /// Returns the number of requests to a route, by status.
    pub(crate) async fn request_counts(&self, route: &str) -> Value {
        let url = format!("{}/sandbox/stats", self.url);
        let stats: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        stats["requests"][route].clone()
    }
}

#[tokio::test]
async fn a_user_is_invited_logs_in_refreshes_and_is_logged_out() {
    let sandbox = TestSandbox::start(|_| ()).await;
    let provider = &sandbox.provider;
    provider.check_credentials().await.unwrap();
    assert_eq!(provider.find_user(&ada()).await.unwrap(), None);

    let sent = provider.send_invite(&invite()).await.unwrap();
    assert!(sent.request_id.is_some());
    let (token, kind) = sandbox.last_mail().await;
    assert_eq!(kind, "invite");

    let authenticated_session = provider.authenticate_link(&token, 60).await.unwrap();
    assert_eq!(authenticated_session.session.provider_user_id, sent.provider_user_id);
    assert_eq!(authenticated_session.email, Some(ada()));
    let length = authenticated_session
        .session
        .expires_at
        .duration_since(authenticated_session.session.started_at);
    assert_eq!(length.as_mins(), 60);
    let found = provider.find_user(&ada()).await.unwrap().unwrap();
    assert_eq!(found.provider_user_id, sent.provider_user_id);

    let claims = provider.verify_jwt(&authenticated_session.tokens.session_jwt).await.unwrap();
    assert_eq!(claims.provider_session_id, authenticated_session.session.provider_session_id);
    assert_eq!(claims.session_expires_at, authenticated_session.session.expires_at);
    assert!(claims.expires_at > authenticated_session.session.started_at);

    sandbox.put("clock", &json!({"advance_seconds": 20})).await;
    let refreshed =
        provider.refresh_session(&authenticated_session.tokens.session_token).await.unwrap();
    assert_eq!(
        refreshed.session.expires_at, authenticated_session.session.expires_at,
        "a refresh does not extend it"
    );
    assert_ne!(refreshed.tokens.session_jwt, authenticated_session.tokens.session_jwt);
    assert_eq!(refreshed.email, Some(ada()));
    provider.verify_jwt(&refreshed.tokens.session_jwt).await.unwrap();

    let session = &authenticated_session.session.provider_session_id;
    provider.revoke_session(session).await.unwrap();
    provider.revoke_session(session).await.unwrap();
    let shared =
        provider.refresh_session(&authenticated_session.tokens.session_token).await.unwrap();
    assert_eq!(
        shared.tokens.session_jwt, refreshed.tokens.session_jwt,
        "a recent result is reused"
    );
    let result =
        sandbox.new_provider().refresh_session(&authenticated_session.tokens.session_token).await;
    let error = result.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_str()),
        (ProviderErrorKind::SessionNotFound, "session_not_found")
    );
    assert!(error.request_id.is_some());

    let error = provider.authenticate_link(&token, 60).await.unwrap_err();
    assert_eq!(error.code, "unable_to_auth_magic_link");
}

#[tokio::test]
async fn a_login_link_works_for_new_and_existing_users() {
    let sandbox = TestSandbox::start(|_| ()).await;
    let sent = sandbox.provider.send_login(&login()).await.unwrap();
    let (token, _) = sandbox.last_mail().await;
    let authenticated_session = sandbox.provider.authenticate_link(&token, 60).await.unwrap();
    assert_eq!(authenticated_session.session.provider_user_id, sent.provider_user_id);

    let again = sandbox.provider.send_login(&login()).await.unwrap();
    assert_eq!(again.provider_user_id, sent.provider_user_id);
    let (token, kind) = sandbox.last_mail().await;
    assert_eq!(kind, "login");
    sandbox.provider.authenticate_link(&token, 60).await.unwrap();
}

#[tokio::test]
async fn a_revoked_invitation_can_not_be_used() {
    let sandbox = TestSandbox::start(|_| ()).await;
    sandbox.provider.send_invite(&invite()).await.unwrap();
    let (token, _) = sandbox.last_mail().await;
    sandbox.provider.revoke_invite(&ada()).await.unwrap();
    let error = sandbox.provider.authenticate_link(&token, 60).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Rejected);
    let nobody = Email::parse("nobody@example.com").unwrap();
    sandbox.provider.revoke_invite(&nobody).await.unwrap();
}

#[tokio::test]
async fn a_deleted_identity_is_not_found() {
    let sandbox = TestSandbox::start(|_| ()).await;
    let sent = sandbox.provider.send_invite(&invite()).await.unwrap();
    sandbox.provider.delete_user(&sent.provider_user_id).await.unwrap();
    sandbox.provider.delete_user(&sent.provider_user_id).await.unwrap();
    assert_eq!(sandbox.provider.find_user(&ada()).await.unwrap(), None);
}

#[tokio::test]
async fn a_wrong_secret_is_a_configuration_error() {
    let sandbox = TestSandbox::start(|credentials| credentials.secret.push('x')).await;
    let error = sandbox.provider.check_credentials().await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Misconfigured, "{error}");
    assert_eq!(error.code, "unauthorized_credentials");
    assert!(error.request_id.is_some());
}

#[tokio::test]
async fn a_lost_response_is_doubtful_although_the_mail_was_sent() {
    let sandbox = TestSandbox::start(|_| ()).await;
    sandbox.put("faults", &json!({"lose_answer": true, "times": 1})).await;
    let error = sandbox.provider.send_invite(&invite()).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ProviderErrorKind::Doubtful, "reset"));
    sandbox.last_mail().await;
}

#[tokio::test]
async fn a_rate_limit_is_recognized() {
    let sandbox = TestSandbox::start(|_| ()).await;
    let fault = json!({"status": 429, "retry_after_seconds": 3, "times": 1});
    sandbox.put("faults", &fault).await;
    let error = sandbox.provider.send_invite(&invite()).await.unwrap_err();
    let after = Some(Duration::from_secs(3));
    assert_eq!(error.kind, ProviderErrorKind::RateLimited(after));
    assert_eq!(error.code, "too_many_requests");
}

#[tokio::test]
async fn a_jwt_of_another_project_is_invalid() {
    let (sandbox, other) = tokio::join!(TestSandbox::start(|_| ()), TestSandbox::start(|_| ()));
    other.provider.send_invite(&invite()).await.unwrap();
    let (token, _) = other.last_mail().await;
    let authenticated_session = other.provider.authenticate_link(&token, 60).await.unwrap();
    let result = sandbox.provider.verify_jwt(&authenticated_session.tokens.session_jwt).await;
    assert!(matches!(result, Err(JwtError::Invalid)));
}
