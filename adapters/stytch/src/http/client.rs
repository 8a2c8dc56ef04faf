//! The HTTP client, which limits the time and size of responses and distinguishes the ways to fail.

use std::{error::Error, sync::Arc, time::Duration};

use guestlist_domain::{Clock, ProviderError};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use super::error::{Idempotency, RequestError, classify};
use super::fields::{describe, parse_object};
use super::responses::ErrorBody;
use crate::options::{Options, OptionsError, is_loopback};

/// The largest response, in bytes. A search returns up to 1,000 users, each with metadata.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// The time for which idle connections are kept. Shorter than Stytch's load balancer keeps them: a
/// request sent into a connection that is being closed may be lost.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest `Retry-After` that is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);
/// The timeout of requests in the background. Searches can take nine seconds.
const SLOW_TIMEOUT: Duration = Duration::from_secs(30);
/// The timeout of the request for keys, which users wait for.
const JWKS_TIMEOUT: Duration = Duration::from_secs(5);

/// An authenticated client of one project.
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

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
        idempotency: Idempotency,
    ) -> Result<T, ProviderError> {
        self.send(self.request(Method::POST, path).json(body), idempotency).await
    }

    /// Sends an idempotent request that may take up to 30 seconds.
    pub(crate) async fn post_slow<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, ProviderError> {
        let request = self.request(Method::POST, path).timeout(SLOW_TIMEOUT);
        self.send(request.json(body), Idempotency::Idempotent).await
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, ProviderError> {
        self.send(self.request(Method::GET, path), Idempotency::Idempotent).await
    }

    pub(crate) async fn delete<T: DeserializeOwned>(
        &self,
        path: &[&str],
    ) -> Result<T, ProviderError> {
        self.send(self.request(Method::DELETE, path), Idempotency::Idempotent).await
    }

    /// Requests the project's public keys, without credentials.
    pub(crate) async fn jwks<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        let url = self.url(&["v1", "sessions", "jwks", &self.project_id]);
        self.send(self.http.get(url).timeout(self.jwks_timeout), Idempotency::Idempotent).await
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

    async fn send<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        idempotency: Idempotency,
    ) -> Result<T, ProviderError> {
        self.exchange(request).await.map_err(|error| classify(error, idempotency))
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, RequestError> {
        let mut response = request.send().await.map_err(transport_error)?;
        let status = response.status();
        let retry_after = retry_after(response.headers(), self.clock.now());
        interpret(status, retry_after, read_body(&mut response).await)
    }
}

/// Returns the parsed body of a success, or the error that a response stands for.
pub(crate) fn interpret<T: DeserializeOwned>(
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Result<Vec<u8>, RequestError>,
) -> Result<T, RequestError> {
    if status.is_success() {
        return parse(&body?);
    }
    // The status is conclusive even if the body was lost.
    let body = body.map_or_else(|_| ErrorBody::default(), |body| error_body(&body));
    Err(RequestError::ErrorResponse { status: status.as_u16(), retry_after, body })
}

fn http_client(options: &Options) -> reqwest::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(&options.user_agent)
        .connect_timeout(options.connect_timeout)
        .timeout(options.timeout)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .redirect(redirect::Policy::none())
        .retry(retry::never());
    if is_loopback(&options.base_url) {
        builder = builder.no_proxy();
    }
    if options.base_url.scheme() == "http" {
        // Works without CA certificates, such as in a container with the sandbox.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}

async fn read_body(response: &mut Response) -> Result<Vec<u8>, RequestError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport_error)? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            let why = "the response is larger than 4 MiB".to_owned();
            return Err(RequestError::InvalidResponse { why, request_id: None });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, RequestError> {
    parse_object(body).map_err(|error| {
        let why = format!("the response can't be parsed: {}", describe(&error));
        RequestError::InvalidResponse { why, request_id: error_body(body).request_id }
    })
}

/// Parses as much of an error response as is in Stytch's format.
fn error_body(body: &[u8]) -> ErrorBody {
    parse_object(body).unwrap_or_default()
}

fn transport_error(error: reqwest::Error) -> RequestError {
    let error = error.without_url();
    let why = error_chain(&error);
    if error.is_connect() || error.is_builder() {
        RequestError::NotSent(why)
    } else if error.is_timeout() {
        RequestError::TimedOut(why)
    } else {
        RequestError::ConnectionLost(why)
    }
}

/// Formats an error and its sources on one line.
fn error_chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Returns the wait that a `Retry-After` header asks for, in seconds or until a date.
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
    fn retry_after_is_a_number_of_seconds_or_a_date() {
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
