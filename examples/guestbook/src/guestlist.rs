//! The client of Guestlist's API. Everything that an application needs is in this file.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::settings::Settings;

/// A client of Guestlist's API.
#[derive(Debug)]
pub struct Guestlist {
    http: Client,
    url: Url,
    public_url: Url,
    key: Option<String>,
}

/// A user of Guestlist.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    pub email: String,
    /// The name, if the inviter entered one.
    pub name: Option<String>,
    /// The application's own data, from the invitation.
    pub metadata: Value,
}

impl User {
    /// Returns the name, or the address if there is none.
    pub fn display_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.email)
    }

    /// Returns whether the user may invite others. The application stores its roles in `metadata`.
    pub fn is_host(&self) -> bool {
        self.metadata["guestbook"] == "host"
    }
}

/// The current session, and cookies to forward to the browser: Guestlist renews the JWT every five
/// minutes, and clears the cookies of a session that has ended.
#[derive(Debug)]
pub struct CurrentSession {
    /// The user; `None` without an active session.
    pub user: Option<User>,
    /// The `Set-Cookie` headers of the response.
    pub cookies: Vec<HeaderValue>,
}

#[derive(Debug, Deserialize)]
struct SessionBody {
    user: User,
}

/// The session that a redeemed link has started.
#[derive(Debug, Deserialize)]
pub struct NewSession {
    /// The value of the cookie `stytch_session`.
    pub session_token: String,
    /// The value of the cookie `stytch_session_jwt`.
    pub session_jwt: String,
    pub session: Session,
    /// The URL to continue at, from the invitation or the login request.
    pub return_to: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Session {
    pub expires_at: jiff::Timestamp,
}

/// An unsuccessful response: its status, and the `detail` to show to the user.
#[derive(Debug)]
pub struct ApiError(pub StatusCode, pub String);

impl Guestlist {
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let http = Client::builder().timeout(Duration::from_secs(10)).build()?;
        let url = settings.guestlist_url.clone();
        let public_url = settings.guestlist_public_url.clone().unwrap_or_else(|| url.clone());
        Ok(Self { http, url, public_url, key: settings.guestlist_key.clone() })
    }

    /// Returns the URL for browsers.
    pub fn public_url(&self) -> &Url {
        &self.public_url
    }

    /// Returns the session of a browser's request. It forwards both cookies, because with the token
    /// alone Guestlist has to request a JWT from Stytch each time.
    pub async fn session(&self, browser: &HeaderMap) -> reqwest::Result<CurrentSession> {
        let response =
            self.http.get(self.endpoint("/v1/session")).headers(cookies_of(browser)).send().await?;
        let cookies = set_cookies(&response);
        if response.status() == StatusCode::UNAUTHORIZED {
            return Ok(CurrentSession { user: None, cookies });
        }
        // Only a 401 means that there is no session. Other errors must not log the user out.
        let body: SessionBody = response.error_for_status()?.json().await?;
        Ok(CurrentSession { user: Some(body.user), cookies })
    }

    /// Ends the session, and returns the headers that clear its cookies.
    pub async fn log_out(&self, browser: &HeaderMap) -> reqwest::Result<Vec<HeaderValue>> {
        let request = self.http.delete(self.endpoint("/v1/session")).headers(cookies_of(browser));
        let response = request.send().await?;
        let cookies = set_cookies(&response);
        // A 401 means that the session had already ended.
        if response.status() != StatusCode::UNAUTHORIZED {
            response.error_for_status()?;
        }
        Ok(cookies)
    }

    /// Returns the URL of the login page, from which the user returns to `return_to`.
    pub fn login_url(&self, return_to: &Url) -> String {
        let mut url = self.public_url.clone();
        url.set_path("/login");
        url.query_pairs_mut().append_pair("return_to", return_to.as_str());
        url.into()
    }

    /// Invites an address; accepting the invitation redirects to `return_to`.
    pub async fn invite(&self, email: &str, return_to: &Url) -> Result<(), ApiError> {
        let body = json!({
            "email": email,
            "metadata": { "guestbook": "guest" },
            "return_to": return_to,
        });
        let key = self.key.as_deref().unwrap_or_default();
        let request = self.http.post(self.endpoint("/v1/invitations")).bearer_auth(key).json(&body);
        send(request).await.map(drop)
    }

    /// Requests a login link for an address.
    pub async fn request_login(&self, email: &str, return_to: &Url) -> Result<(), ApiError> {
        let body = json!({ "email": email, "return_to": return_to });
        // With a key, the limit per client does not apply to this backend.
        let key = self.key.as_deref().unwrap_or_default();
        let request = self.http.post(self.endpoint("/v1/login")).bearer_auth(key).json(&body);
        send(request).await.map(drop)
    }

    /// Redeems a link, and returns the new session.
    pub async fn redeem_link(
        &self,
        token: &str,
        browser: &HeaderMap,
    ) -> Result<NewSession, ApiError> {
        let mut request =
            self.http.post(self.endpoint("/v1/sessions")).json(&json!({ "token": token }));
        if let Some(agent) = browser.get(header::USER_AGENT) {
            request = request.header(header::USER_AGENT, agent);
        }
        send(request).await?.json().await.map_err(|error| unreachable(&error))
    }

    fn endpoint(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url
    }
}

async fn send(request: reqwest::RequestBuilder) -> Result<reqwest::Response, ApiError> {
    let response = request.send().await.map_err(|error| unreachable(&error))?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let problem: Value = response.json().await.unwrap_or_default();
    // The first field error is more specific than the problem's detail.
    let detail = problem["errors"][0]["detail"].as_str().or(problem["detail"].as_str());
    Err(ApiError(status, detail.unwrap_or("The request failed.").to_owned()))
}

fn unreachable(error: &reqwest::Error) -> ApiError {
    eprintln!("Guestlist is unavailable: {error}");
    ApiError(
        StatusCode::SERVICE_UNAVAILABLE,
        "The service is unavailable. Try again in a moment.".to_owned(),
    )
}

fn cookies_of(browser: &HeaderMap) -> HeaderMap {
    let cookies = browser.get_all(header::COOKIE).iter().cloned();
    cookies.map(|cookie| (header::COOKIE, cookie)).collect()
}

fn set_cookies(response: &reqwest::Response) -> Vec<HeaderValue> {
    response.headers().get_all(header::SET_COOKIE).iter().cloned().collect()
}
