//! Guestlist, as this application's backend calls it. This is all that joining takes.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::Settings;

/// Calls Guestlist.
#[derive(Debug)]
pub struct Guestlist {
    http: Client,
    url: Url,
    public_url: Url,
    key: Option<String>,
}

/// Somebody whom Guestlist knows.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    /// Their address.
    pub email: String,
    /// Their name, where the inviter gave one.
    pub name: Option<String>,
    /// This application's own facts about them, as given with the invitation.
    pub metadata: Value,
}

impl User {
    /// What to call them.
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.email)
    }

    /// The application's own roles live in `metadata`: a host may invite others.
    pub fn is_host(&self) -> bool {
        self.metadata["guestbook"] == "host"
    }
}

/// Who is logged in, and cookies that have to reach the browser: a session's JWT is renewed every
/// five minutes, and the cookies of one that ended are cleared.
#[derive(Debug)]
pub struct Known {
    /// Nobody, if there is no session or it has ended.
    pub user: Option<User>,
    /// As Guestlist set them.
    pub cookies: Vec<HeaderValue>,
}

#[derive(Debug, Deserialize)]
struct LoggedIn {
    user: User,
}

/// Somebody who has just come in by a page of ours.
#[derive(Debug, Deserialize)]
pub struct CameIn {
    /// For the cookie of that name.
    pub session_token: String,
    /// Likewise.
    pub session_jwt: String,
    /// The session.
    pub session: Session,
    /// Where they wanted to go, or their inviter wanted them to.
    pub return_to: Option<String>,
}

/// A session.
#[derive(Debug, Deserialize)]
pub struct Session {
    /// When it ends by itself.
    pub expires_at: jiff::Timestamp,
}

/// An answer that is no 2xx: its status, and its `detail`, which is for people.
#[derive(Debug)]
pub struct Refused(pub StatusCode, pub String);

impl Guestlist {
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let http = Client::builder().timeout(Duration::from_secs(10)).build()?;
        let url = settings.guestlist_url.clone();
        let public_url = settings.guestlist_public_url.clone().unwrap_or_else(|| url.clone());
        Ok(Self { http, url, public_url, key: settings.guestlist_key.clone() })
    }

    /// Where browsers reach it.
    pub fn public_url(&self) -> &Url {
        &self.public_url
    }

    /// Who is logged in? Both cookies go along: by the token alone, Guestlist would have to get a
    /// JWT from Stytch first, again and again.
    pub async fn who(&self, browser: &HeaderMap) -> reqwest::Result<Known> {
        let asked =
            self.http.get(self.at("/v1/session")).headers(cookies_of(browser)).send().await?;
        let cookies = set_cookies(&asked);
        if asked.status() == StatusCode::UNAUTHORIZED {
            return Ok(Known { user: None, cookies });
        }
        // Anything else that is no success says nothing of the session: nobody is logged out by it.
        let answer: LoggedIn = asked.error_for_status()?.json().await?;
        Ok(Known { user: Some(answer.user), cookies })
    }

    /// Logs out, and answers the cookies that say so.
    pub async fn log_out(&self, browser: &HeaderMap) -> reqwest::Result<Vec<HeaderValue>> {
        let request = self.http.delete(self.at("/v1/session")).headers(cookies_of(browser));
        let asked = request.send().await?;
        let cookies = set_cookies(&asked);
        // Who was not logged in is out too.
        if asked.status() != StatusCode::UNAUTHORIZED {
            asked.error_for_status()?;
        }
        Ok(cookies)
    }

    /// Where people log in, to come back to `place`.
    pub fn login_url(&self, place: &Url) -> String {
        let mut url = self.public_url.clone();
        url.set_path("/login");
        url.query_pairs_mut().append_pair("return_to", place.as_str());
        url.into()
    }

    /// Invites somebody, who will land at `return_to`.
    pub async fn invite(&self, email: &str, return_to: &Url) -> Result<(), Refused> {
        let body = json!({
            "email": email,
            "metadata": { "guestbook": "guest" },
            "return_to": return_to,
        });
        let key = self.key.as_deref().unwrap_or_default();
        let request = self.http.post(self.at("/v1/invitations")).bearer_auth(key).json(&body);
        taken(request).await.map(drop)
    }

    /// Has a login link mailed to somebody, if they may come in.
    pub async fn request_login(&self, email: &str, return_to: &Url) -> Result<(), Refused> {
        let body = json!({ "email": email, "return_to": return_to });
        // With a key it is not this backend that is held to the limit for one client.
        let key = self.key.as_deref().unwrap_or_default();
        let request = self.http.post(self.at("/v1/login")).bearer_auth(key).json(&body);
        taken(request).await.map(drop)
    }

    /// Lets the holder of a link in.
    pub async fn come_in(&self, token: &str, browser: &HeaderMap) -> Result<CameIn, Refused> {
        let mut request = self.http.post(self.at("/v1/sessions")).json(&json!({ "token": token }));
        if let Some(agent) = browser.get(header::USER_AGENT) {
            request = request.header(header::USER_AGENT, agent);
        }
        taken(request).await?.json().await.map_err(|error| unreachable(&error))
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url
    }
}

async fn taken(request: reqwest::RequestBuilder) -> Result<reqwest::Response, Refused> {
    let answer = request.send().await.map_err(|error| unreachable(&error))?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let problem: Value = answer.json().await.unwrap_or_default();
    // A wrong field is named with what is wrong about it.
    let said = problem["errors"][0]["detail"].as_str().or(problem["detail"].as_str());
    Err(Refused(status, said.unwrap_or("Guestlist refused.").to_owned()))
}

fn unreachable(error: &reqwest::Error) -> Refused {
    eprintln!("Guestlist can't be asked: {error}");
    Refused(StatusCode::SERVICE_UNAVAILABLE, "Not just now. Try again in a moment.".to_owned())
}

fn cookies_of(browser: &HeaderMap) -> HeaderMap {
    let cookies = browser.get_all(header::COOKIE).iter().cloned();
    cookies.map(|cookie| (header::COOKIE, cookie)).collect()
}

fn set_cookies(answer: &reqwest::Response) -> Vec<HeaderValue> {
    answer.headers().get_all(header::SET_COOKIE).iter().cloned().collect()
}
