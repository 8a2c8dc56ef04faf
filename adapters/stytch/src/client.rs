//! The HTTP of it: bounded in time and size, and with every way to fail told from the others.

use std::{error::Error, sync::Arc, time::Duration};

use guestlist_domain::{Clock, ProviderError};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
    redirect, retry,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{
    Serialize,
    de::{DeserializeOwned, Error as _},
};
use url::Url;

use crate::{
    answers::Refusal,
    error::{Repeat, Trouble, classify},
    options::{Options, OptionsError, is_loopback},
};

/// A search finds a hundred users, each with whatever metadata the project keeps of them.
const MAX_BODY: usize = 4 * 1024 * 1024;
/// Less than what stands before Stytch keeps an idle connection for: a call sent into one that is
/// just being closed is a lost answer.
const POOL_IDLE: Duration = Duration::from_secs(30);
/// A longer wait than that is a mistake of somebody's.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);
/// Searches were seen to take nine seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// People wait for the keys.
const JWKS_TIMEOUT: Duration = Duration::from_secs(5);

/// A project's way to Stytch.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    project_id: String,
    secret: SecretString,
    base_url: Url,
    jwks_timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl Client {
    pub(crate) fn new(options: Options, clock: Arc<dyn Clock>) -> Result<Self, OptionsError> {
        let http = http_client(&options).map_err(OptionsError::Client)?;
        let Options { project_id, secret, base_url, timeout, .. } = options;
        let jwks_timeout = timeout.min(JWKS_TIMEOUT);
        Ok(Self { http, project_id, secret, base_url, jwks_timeout, clock })
    }

    pub(crate) async fn post<A: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
        repeat: Repeat,
    ) -> Result<A, ProviderError> {
        self.call(self.request(Method::POST, path).json(body), repeat).await
    }

    /// Where nobody waits for it, and the answer is known to take its time.
    pub(crate) async fn post_patiently<A: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<A, ProviderError> {
        let request = self.request(Method::POST, path).timeout(PATIENCE);
        self.call(request.json(body), Repeat::Harmless).await
    }

    pub(crate) async fn get<A: DeserializeOwned>(&self, path: &[&str]) -> Result<A, ProviderError> {
        self.call(self.request(Method::GET, path), Repeat::Harmless).await
    }

    pub(crate) async fn delete<A: DeserializeOwned>(
        &self,
        path: &[&str],
    ) -> Result<A, ProviderError> {
        self.call(self.request(Method::DELETE, path), Repeat::Harmless).await
    }

    /// The project's public keys: public, so the secret stays at home.
    pub(crate) async fn jwks<A: DeserializeOwned>(&self) -> Result<A, ProviderError> {
        let url = self.url(&["v1", "sessions", "jwks", &self.project_id]);
        self.call(self.http.get(url).timeout(self.jwks_timeout), Repeat::Harmless).await
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.http
            .request(method, self.url(path))
            .basic_auth(&self.project_id, Some(self.secret.expose_secret()))
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn call<A: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        repeat: Repeat,
    ) -> Result<A, ProviderError> {
        self.exchange(request).await.map_err(|trouble| classify(trouble, repeat))
    }

    async fn exchange<A: DeserializeOwned>(&self, request: RequestBuilder) -> Result<A, Trouble> {
        let mut response = request.send().await.map_err(trouble)?;
        let status = response.status();
        let retry_after = retry_after(response.headers(), self.clock.now());
        judge(status, retry_after, read(&mut response).await)
    }
}

/// What an answer comes to: by its status first, then by what could be had of its body.
pub(crate) fn judge<A: DeserializeOwned>(
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Result<Vec<u8>, Trouble>,
) -> Result<A, Trouble> {
    if status.is_success() {
        return parse(&body?);
    }
    // The status says enough even where the rest of the answer was lost.
    let refusal = body.map_or_else(|_| Refusal::default(), |body| refusal(&body));
    Err(Trouble::Refused { status: status.as_u16(), retry_after, refusal })
}

fn http_client(options: &Options) -> reqwest::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(&options.user_agent)
        .connect_timeout(options.connect_timeout)
        .timeout(options.timeout)
        .pool_idle_timeout(POOL_IDLE)
        .redirect(redirect::Policy::none())
        .retry(retry::never());
    if is_loopback(&options.base_url) {
        builder = builder.no_proxy();
    }
    if options.base_url.scheme() == "http" {
        // A machine without CA certificates can still run the sandbox.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}

async fn read(response: &mut Response) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(trouble)? {
        if body.len() + chunk.len() > MAX_BODY {
            let why = "the answer is larger than 4 MiB".to_owned();
            return Err(Trouble::BadAnswer { why, request_id: None });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn parse<A: DeserializeOwned>(body: &[u8]) -> Result<A, Trouble> {
    object(body).map_err(|error| {
        // Not the error's own words, which quote the body.
        let (kind, line, column) = (error.classify(), error.line(), error.column());
        let why = format!("the answer can't be read: {kind:?} error at {line}:{column}");
        Trouble::BadAnswer { why, request_id: refusal(body).request_id }
    })
}

/// What can be had of an answer that is not the one hoped for.
fn refusal(body: &[u8]) -> Refusal {
    object(body).unwrap_or_default()
}

/// Stytch answers with objects; of a list, a struct would take one element for each of its fields.
pub(crate) fn object<A: DeserializeOwned>(body: &[u8]) -> serde_json::Result<A> {
    if body.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        return Err(serde_json::Error::custom("not an object"));
    }
    serde_json::from_slice(body)
}

fn trouble(error: reqwest::Error) -> Trouble {
    let error = error.without_url();
    let why = reasons(&error);
    if error.is_connect() || error.is_builder() {
        Trouble::NotSent(why)
    } else if error.is_timeout() {
        Trouble::TimedOut(why)
    } else {
        Trouble::Broken(why)
    }
}

/// The error and what is behind it, on one line.
fn reasons(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// How long we were asked to wait, in seconds or until a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => until(text, now)?,
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

fn until(date: &str, now: Timestamp) -> Option<Duration> {
    let date = rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    let wait = date.duration_since(now).max(SignedDuration::ZERO);
    Duration::try_from(wait).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_comes_in_seconds_or_as_a_date() {
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        for (text, seconds) in [
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("0", Some(0)),
            ("Mon, 23 Nov 2026 10:01:30 GMT", Some(90)),
            ("Mon, 23 Nov 2026 09:00:00 GMT", Some(0)),
            ("99999999999999999", Some(86_400)),
            ("Thu, 31 Dec 2099 23:59:59 GMT", Some(86_400)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{text:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
