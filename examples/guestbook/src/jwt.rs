//! Who is logged in, without asking anybody: the session's JWT, verified here against Stytch's
//! keys. A session that was ended may pass for five minutes more, so this is for what does not
//! matter that much. The JWT knows Stytch's id of the user (`stytch_user_id` at Guestlist), no
//! name and no metadata.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use reqwest::Client;
use serde::Deserialize;
use url::Url;

use crate::{App, Settings};

/// New keys are asked for no more often than this.
const KEYS_REST: Duration = Duration::from_secs(30);

/// Verifies session JWTs of one project.
#[derive(Debug)]
pub struct Verifier {
    http: Client,
    jwks_url: Url,
    validation: Validation,
    keys: Mutex<(JwkSet, Option<Instant>)>,
}

#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
}

impl Verifier {
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let project = settings.stytch_project_id.as_deref().unwrap_or("project-test-unknown");
        let jwks_url = settings.stytch_base_url.join(&format!("v1/sessions/jwks/{project}"))?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[project]);
        validation.set_issuer(&[format!("stytch.com/{project}")]);
        validation.set_required_spec_claims(&["aud", "exp", "iss", "nbf", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 5;
        let http = Client::builder().timeout(Duration::from_secs(5)).build()?;
        Ok(Self { http, jwks_url, validation, keys: Mutex::new((JwkSet { keys: vec![] }, None)) })
    }

    /// Stytch's id of the user whose session it is, if it is one.
    async fn user_of(&self, jwt: &str) -> Option<String> {
        let kid = decode_header(jwt).ok()?.kid?;
        let key = match self.known(&kid) {
            Some(key) => key,
            None => self.fetch(&kid).await?,
        };
        Some(decode::<Claims>(jwt, &key, &self.validation).ok()?.claims.sub)
    }

    fn known(&self, kid: &str) -> Option<DecodingKey> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        DecodingKey::from_jwk(keys.0.find(kid)?).ok()
    }

    /// Keys are rotated: one that is not known may be new.
    async fn fetch(&self, kid: &str) -> Option<DecodingKey> {
        {
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            if keys.1.is_some_and(|last| last.elapsed() < KEYS_REST) {
                return None;
            }
            keys.1 = Some(Instant::now());
        }
        let asked = self.http.get(self.jwks_url.clone()).send().await.ok()?;
        let found: JwkSet = asked.error_for_status().ok()?.json().await.ok()?;
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).0 = found;
        self.known(kid)
    }
}

/// The names that Guestlist gives the cookie: the first with https, unless `COOKIE_DOMAIN` is set.
const COOKIES: [&str; 2] = ["__Host-stytch_session_jwt", "stytch_session_jwt"];

/// The cookie of that name. The header is no text: another application's cookies can be anything.
fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter();
    let mut pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.find_map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        pair.trim_ascii().strip_prefix(name)?.strip_prefix('=').map(ToOwned::to_owned)
    })
}

/// `GET /fast`
pub async fn fast(State(app): State<App>, headers: HeaderMap) -> Response {
    let user = match COOKIES.iter().find_map(|name| cookie(&headers, name)) {
        Some(jwt) => app.verifier.user_of(&jwt).await,
        None => None,
    };
    match user {
        Some(user) => format!("{user} is logged in, or was five minutes ago").into_response(),
        None => (StatusCode::UNAUTHORIZED, "nobody, or not by a fresh JWT: ask Guestlist")
            .into_response(),
    }
}
