//! Local verification of session JWTs with Stytch's keys, without a request to Guestlist.
//!
//! A JWT is valid for up to five minutes after its session has ended, so this is not for sensitive
//! operations. Its subject is the user's `stytch_user_id`; it contains no name and no metadata.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use reqwest::Client;
use serde::Deserialize;
use url::Url;

use crate::settings::Settings;

/// The minimum time between two requests for keys.
const FETCH_INTERVAL: Duration = Duration::from_secs(30);

/// A verifier of the session JWTs of one project.
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

    /// Returns the Stytch user id of a valid JWT.
    async fn verify(&self, jwt: &str) -> Option<String> {
        let kid = decode_header(jwt).ok()?.kid?;
        let key = match self.cached(&kid) {
            Some(key) => key,
            None => self.fetch(&kid).await?,
        };
        Some(decode::<Claims>(jwt, &key, &self.validation).ok()?.claims.sub)
    }

    fn cached(&self, kid: &str) -> Option<DecodingKey> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        DecodingKey::from_jwk(keys.0.find(kid)?).ok()
    }

    /// Fetches the keys for an unknown key id, which may be a new one after a rotation.
    async fn fetch(&self, kid: &str) -> Option<DecodingKey> {
        {
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            if keys.1.is_some_and(|last| last.elapsed() < FETCH_INTERVAL) {
                return None;
            }
            keys.1 = Some(Instant::now());
        }
        let response = self.http.get(self.jwks_url.clone()).send().await.ok()?;
        let keys: JwkSet = response.error_for_status().ok()?.json().await.ok()?;
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).0 = keys;
        self.cached(kid)
    }
}

/// The cookie's names. Guestlist uses the first one with HTTPS and without `COOKIE_DOMAIN`.
const COOKIES: [&str; 2] = ["__Host-stytch_session_jwt", "stytch_session_jwt"];

/// Returns a cookie's value. Other applications' cookies need not be valid UTF-8.
fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter();
    let mut pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.find_map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        pair.trim_ascii().strip_prefix(name)?.strip_prefix('=').map(ToOwned::to_owned)
    })
}

/// `GET /fast`: names the user without a request to Guestlist.
pub async fn fast(State(verifier): State<Arc<Verifier>>, headers: HeaderMap) -> Response {
    let user = match COOKIES.iter().find_map(|name| cookie(&headers, name)) {
        Some(jwt) => verifier.verify(&jwt).await,
        None => None,
    };
    match user {
        Some(user) => format!("{user} is logged in, or was five minutes ago").into_response(),
        None => {
            (StatusCode::UNAUTHORIZED, "no valid JWT: the session may still be active at Guestlist")
                .into_response()
        }
    }
}
