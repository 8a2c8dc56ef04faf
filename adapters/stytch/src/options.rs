//! Options of the provider, validated before the first request.

use std::{net::IpAddr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use url::{Host, Url};

/// Options of a project at Stytch. [`Options::new`] sets defaults.
#[derive(Debug, Clone)]
pub struct Options {
    /// `project-test-…` or `project-live-…`.
    pub project_id: String,
    /// The secret of the project.
    pub secret: SecretString,
    /// The URL of Stytch's API.
    pub base_url: Url,
    /// The `User-Agent` of requests, `guestlist/<version>` by default.
    pub user_agent: String,
    /// The time to connect, DNS and TLS included; 2 seconds by default.
    pub connect_timeout: Duration,
    /// The time of a whole request; 10 seconds by default.
    pub timeout: Duration,
}

/// An error in the options.
#[derive(Debug, Error)]
pub enum OptionsError {
    /// The project id has another format.
    #[error("the Stytch project id must look like project-test-… or project-live-…")]
    ProjectId,
    /// The secret is empty or white space.
    #[error("the Stytch secret is empty")]
    Secret,
    /// A base URL was given for a live project, which always uses Stytch's own.
    #[error("a live Stytch project can't have a base URL of its own")]
    LiveBaseUrl,
    /// The base URL is invalid, or would send secrets in plain text.
    #[error("the Stytch base URL {0}")]
    BaseUrl(&'static str),
    /// The HTTP client can't be built, for example because the system has no CA certificates.
    #[error("the HTTP client can't be built")]
    Client(#[source] reqwest::Error),
}

impl Options {
    /// Creates options with the defaults. `base_url` replaces Stytch's URL for test projects.
    pub fn new(
        project_id: impl Into<String>,
        secret: SecretString,
        base_url: Option<Url>,
    ) -> Result<Self, OptionsError> {
        let project_id = project_id.into();
        if secret.expose_secret().trim().is_empty() {
            return Err(OptionsError::Secret);
        }
        Ok(Self {
            base_url: select_base_url(&project_id, base_url)?,
            project_id,
            secret,
            user_agent: concat!("guestlist/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
        })
    }
}

fn select_base_url(project_id: &str, given: Option<Url>) -> Result<Url, OptionsError> {
    let is_live = match project_id.strip_prefix("project-").and_then(|id| id.split_once('-')) {
        Some(("live", id)) if is_id(id) => true,
        Some(("test", id)) if is_id(id) => false,
        _ => return Err(OptionsError::ProjectId),
    };
    match (is_live, given) {
        (true, Some(_)) => Err(OptionsError::LiveBaseUrl),
        (true, None) => stytch_url("https://api.stytch.com/"),
        (false, None) => stytch_url("https://test.stytch.com/"),
        (false, Some(url)) => check_base_url(url),
    }
}

/// Rejects characters with a meaning in HTTP Basic authentication or paths.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn stytch_url(url: &str) -> Result<Url, OptionsError> {
    Url::parse(url).map_err(|_| OptionsError::BaseUrl("is malformed"))
}

fn check_base_url(url: Url) -> Result<Url, OptionsError> {
    let is_safe = match url.scheme() {
        "https" => true,
        "http" => is_loopback(&url),
        _ => return Err(OptionsError::BaseUrl("must be https, or http on this machine")),
    };
    if !is_safe {
        return Err(OptionsError::BaseUrl("may be http only on this machine: it carries secrets"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(OptionsError::BaseUrl("must not hold credentials"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(OptionsError::BaseUrl("must not hold a query or fragment"));
    }
    Ok(url)
}

/// Returns whether requests to a URL stay on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base_url(project_id: &str, given: Option<&str>) -> Result<String, String> {
        let given = given.map(|url| url.parse().unwrap());
        Options::new(project_id, "secret".into(), given)
            .map(|options| options.base_url.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_project_id_determines_the_base_url() {
        assert_eq!(base_url("project-live-1", None).unwrap(), "https://api.stytch.com/");
        assert_eq!(base_url("project-test-1", None).unwrap(), "https://test.stytch.com/");
    }

    #[test]
    fn a_project_id_of_another_format_is_rejected() {
        for id in ["", "project-", "project-test-", "project-dev-1", "project-test-a:b", "p-test-1"]
        {
            assert!(base_url(id, None).unwrap_err().contains("project id"), "{id:?}");
        }
    }

    #[test]
    fn an_empty_secret_is_rejected() {
        let error = Options::new("project-test-1", " \n".into(), None).unwrap_err();
        assert!(matches!(error, OptionsError::Secret));
    }

    #[test]
    fn a_live_project_rejects_a_base_url() {
        for url in ["http://127.0.0.1:1/", "https://api.stytch.com/"] {
            assert!(base_url("project-live-1", Some(url)).unwrap_err().contains("live"), "{url}");
        }
    }

    #[test]
    fn a_test_project_accepts_base_urls_that_keep_secrets_safe() {
        for url in [
            "https://stytch.example.com/",
            "https://example.com/stytch/",
            "http://127.0.0.1:3002/",
            "http://127.9.9.9/",
            "http://[::1]:3002/",
            "http://localhost:3002/",
        ] {
            assert_eq!(base_url("project-test-1", Some(url)).unwrap(), url);
        }
        for url in [
            "http://stytch.example.com/",
            "http://10.0.0.1/",
            "http://localhost.example.com/",
            "ftp://127.0.0.1/",
            "mailto:ada@example.com",
            "https://user@example.com/",
            "https://:pass@example.com/",
            "https://example.com/?a=b",
            "https://example.com/#a",
        ] {
            assert!(base_url("project-test-1", Some(url)).is_err(), "{url}");
        }
    }

    #[test]
    fn debug_hides_the_secret() {
        let options = Options::new("project-test-1", "hush-hush".into(), None).unwrap();
        assert!(!format!("{options:?}").contains("hush"));
    }
}
