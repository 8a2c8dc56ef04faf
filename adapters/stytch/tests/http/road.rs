//! The whole road against the sandbox, which answers as Stytch does.

use std::{sync::Arc, time::Duration};

use guestlist_domain::{
    Email, IdentityProvider, JwtError, ProviderErrorKind, SystemClock, AuthenticatedSession,
};
use guestlist_stytch::{Options, StytchProvider};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use stytch_sandbox::{Credentials, Sandbox};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::calls::{ada, invite, login};

pub(crate) struct Road {
    pub(crate) provider: StytchProvider,
    options: Options,
    url: String,
    http: reqwest::Client,
    _running: DropGuard,
}

impl Road {
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

    /// Another process, which remembers nothing of what the first asked.
    pub(crate) fn elsewhere(&self) -> StytchProvider {
        StytchProvider::new(self.options.clone(), Arc::new(SystemClock)).unwrap()
    }

    /// The token of the last mail to Ada, and what kind of mail it was.
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

    /// Somebody's new session.
    pub(crate) async fn log_in(&self) -> AuthenticatedSession {
        self.provider.send_login(&login()).await.unwrap();
        let (token, _) = self.last_mail().await;
        self.provider.authenticate_link(&token, 60).await.unwrap()
    }

    /// A call that the provider has no use for.
    pub(crate) async fn call(&self, path: &str, body: &Value) -> Value {
        let secret = self.options.secret.expose_secret();
        let request = self.http.post(format!("{}/v1/{path}", self.url)).json(body);
        let request = request.basic_auth(&self.options.project_id, Some(secret));
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    /// How often a route was called, by status.
    pub(crate) async fn calls(&self, route: &str) -> Value {
        let url = format!("{}/sandbox/stats", self.url);
        let stats: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        stats["requests"][route].clone()
    }
}

#[tokio::test]
async fn from_the_invitation_to_the_end_of_the_session() {
    let road = Road::start(|_| ()).await;
    let provider = &road.provider;
    provider.check_credentials().await.unwrap();
    assert_eq!(provider.find_user(&ada()).await.unwrap(), None);

    let delivered = provider.send_invite(&invite()).await.unwrap();
    assert!(delivered.request_id.is_some());
    let (token, kind) = road.last_mail().await;
    assert_eq!(kind, "invite");

    let vouched = provider.authenticate_link(&token, 60).await.unwrap();
    assert_eq!(vouched.session.provider_user_id, delivered.provider_user_id);
    assert_eq!(vouched.email, Some(ada()));
    let length = vouched.session.expires_at.duration_since(vouched.session.started_at);
    assert_eq!(length.as_mins(), 60);
    let found = provider.find_user(&ada()).await.unwrap().unwrap();
    assert_eq!(found.provider_user_id, delivered.provider_user_id);

    let claims = provider.verify_jwt(&vouched.tokens.session_jwt).await.unwrap();
    assert_eq!(claims.provider_session_id, vouched.session.provider_session_id);
    assert_eq!(claims.session_expires_at, vouched.session.expires_at);
    assert!(claims.expires_at > vouched.session.started_at);

    road.put("clock", &json!({"advance_seconds": 20})).await;
    let refreshed = provider.refresh_session(&vouched.tokens.session_token).await.unwrap();
    assert_eq!(refreshed.session.expires_at, vouched.session.expires_at, "no longer by it");
    assert_ne!(refreshed.tokens.session_jwt, vouched.tokens.session_jwt);
    assert_eq!(refreshed.email, Some(ada()));
    provider.verify_jwt(&refreshed.tokens.session_jwt).await.unwrap();

    let session = &vouched.session.provider_session_id;
    provider.revoke_session(session).await.unwrap();
    provider.revoke_session(session).await.unwrap();
    let shared = provider.refresh_session(&vouched.tokens.session_token).await.unwrap();
    assert_eq!(shared.tokens.session_jwt, refreshed.tokens.session_jwt, "asked a moment ago");
    let asked = road.elsewhere().refresh_session(&vouched.tokens.session_token).await;
    let error = asked.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_str()),
        (ProviderErrorKind::SessionNotFound, "session_not_found")
    );
    assert!(error.request_id.is_some());

    let error = provider.authenticate_link(&token, 60).await.unwrap_err();
    assert_eq!(error.code, "unable_to_auth_magic_link");
}

#[tokio::test]
async fn a_login_link_is_for_those_who_were_here_and_for_new_ones() {
    let road = Road::start(|_| ()).await;
    let delivered = road.provider.send_login(&login()).await.unwrap();
    let (token, _) = road.last_mail().await;
    let vouched = road.provider.authenticate_link(&token, 60).await.unwrap();
    assert_eq!(vouched.session.provider_user_id, delivered.provider_user_id);

    let again = road.provider.send_login(&login()).await.unwrap();
    assert_eq!(again.provider_user_id, delivered.provider_user_id);
    let (token, kind) = road.last_mail().await;
    assert_eq!(kind, "login");
    road.provider.authenticate_link(&token, 60).await.unwrap();
}

#[tokio::test]
async fn an_invitation_taken_back_opens_nothing() {
    let road = Road::start(|_| ()).await;
    road.provider.send_invite(&invite()).await.unwrap();
    let (token, _) = road.last_mail().await;
    road.provider.revoke_invite(&ada()).await.unwrap();
    let error = road.provider.authenticate_link(&token, 60).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Rejected);
    let nobody = Email::parse("nobody@example.com").unwrap();
    road.provider.revoke_invite(&nobody).await.unwrap();
}

#[tokio::test]
async fn a_deleted_identity_is_gone() {
    let road = Road::start(|_| ()).await;
    let delivered = road.provider.send_invite(&invite()).await.unwrap();
    road.provider.delete_user(&delivered.provider_user_id).await.unwrap();
    road.provider.delete_user(&delivered.provider_user_id).await.unwrap();
    assert_eq!(road.provider.find_user(&ada()).await.unwrap(), None);
}

#[tokio::test]
async fn a_wrong_secret_is_a_matter_of_configuration() {
    let road = Road::start(|credentials| credentials.secret.push('x')).await;
    let error = road.provider.check_credentials().await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Misconfigured, "{error}");
    assert_eq!(error.code, "unauthorized_credentials");
    assert!(error.request_id.is_some());
}

#[tokio::test]
async fn a_lost_answer_is_a_doubt_and_the_mail_went_out() {
    let road = Road::start(|_| ()).await;
    road.put("faults", &json!({"lose_answer": true, "times": 1})).await;
    let error = road.provider.send_invite(&invite()).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ProviderErrorKind::Doubtful, "reset"));
    road.last_mail().await;
}

#[tokio::test]
async fn a_rate_limit_of_the_sandbox_is_understood() {
    let road = Road::start(|_| ()).await;
    let fault = json!({"status": 429, "retry_after_seconds": 3, "times": 1});
    road.put("faults", &fault).await;
    let error = road.provider.send_invite(&invite()).await.unwrap_err();
    let after = Some(Duration::from_secs(3));
    assert_eq!(error.kind, ProviderErrorKind::RateLimited(after));
    assert_eq!(error.code, "too_many_requests");
}

#[tokio::test]
async fn another_project_s_jwt_is_nothing_here() {
    let (road, other) = tokio::join!(Road::start(|_| ()), Road::start(|_| ()));
    other.provider.send_invite(&invite()).await.unwrap();
    let (token, _) = other.last_mail().await;
    let vouched = other.provider.authenticate_link(&token, 60).await.unwrap();
    let answer = road.provider.verify_jwt(&vouched.tokens.session_jwt).await;
    assert!(matches!(answer, Err(JwtError::Invalid)));
}
