//! What the way to Stytch needs to know, refused early where it would fail late or leak a secret.

use std::{net::IpAddr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use url::{Host, Url};

/// How to reach a project at Stytch. [`Options::new`] has the defaults; change the rest after.
#[derive(Debug, Clone)]
pub struct Options {
    /// `project-test-…` or `project-live-…`.
    pub project_id: String,
    /// The secret that goes with it.
    pub secret: SecretString,
    /// Where Stytch's API is.
    pub base_url: Url,
    /// What calls say they come from: `guestlist/<version>`.
    pub user_agent: String,
    /// How long making a connection may take, name and TLS included: 2 s.
    pub connect_timeout: Duration,
    /// How long a call may take from first to last: 10 s.
    pub timeout: Duration,
}

/// Why a project can't be reached like that.
#[derive(Debug, Error)]
pub enum OptionsError {
    /// Of neither form, or with characters that no id has.
    #[error("a Stytch project id looks like project-test-… or project-live-…")]
    ProjectId,
    /// Nothing but white space.
    #[error("the Stytch secret is empty")]
    Secret,
    /// Live invitations go to Stytch itself, and nowhere else.
    #[error("a live Stytch project takes no other base URL")]
    LiveBaseUrl,
    /// Not an address that calls and secrets can be sent to.
    #[error("the Stytch base URL {0}")]
    BaseUrl(&'static str),
    /// The HTTP client can't be built, e.g. for want of the system's CA certificates.
    #[error("the HTTP client can't be built")]
    Client(#[source] reqwest::Error),
}

impl Options {
    /// The project's own API, or `base_url` where a test project asks for another.
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
            base_url: base_url_of(&project_id, base_url)?,
            project_id,
            secret,
            user_agent: concat!("guestlist/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
        })
    }
}

fn base_url_of(project_id: &str, asked: Option<Url>) -> Result<Url, OptionsError> {
    let is_live = match project_id.strip_prefix("project-").and_then(|id| id.split_once('-')) {
        Some(("live", id)) if is_id(id) => true,
        Some(("test", id)) if is_id(id) => false,
        _ => return Err(OptionsError::ProjectId),
    };
    match (is_live, asked) {
        (true, Some(_)) => Err(OptionsError::LiveBaseUrl),
        (true, None) => stytch("https://api.stytch.com/"),
        (false, None) => stytch("https://test.stytch.com/"),
        (false, Some(url)) => checked(url),
    }
}

/// A colon would end the user name of HTTP Basic, a slash the segment of a path.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn stytch(url: &str) -> Result<Url, OptionsError> {
    Url::parse(url).map_err(|_| OptionsError::BaseUrl("is malformed"))
}

fn checked(url: Url) -> Result<Url, OptionsError> {
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

/// Whether calls stay on this machine.
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

    fn base_url(project_id: &str, asked: Option<&str>) -> Result<String, String> {
        let asked = asked.map(|url| url.parse().unwrap());
        Options::new(project_id, "secret".into(), asked)
            .map(|options| options.base_url.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_project_id_says_where_to_go() {
        assert_eq!(base_url("project-live-1", None).unwrap(), "https://api.stytch.com/");
        assert_eq!(base_url("project-test-1", None).unwrap(), "https://test.stytch.com/");
    }

    #[test]
    fn an_id_of_neither_form_is_refused() {
        for id in ["", "project-", "project-test-", "project-dev-1", "project-test-a:b", "p-test-1"]
        {
            assert!(base_url(id, None).unwrap_err().contains("project id"), "{id:?}");
        }
    }

    #[test]
    fn an_empty_secret_is_refused() {
        let error = Options::new("project-test-1", " \n".into(), None).unwrap_err();
        assert!(matches!(error, OptionsError::Secret));
    }

    #[test]
    fn a_live_project_goes_nowhere_else() {
        for url in ["http://127.0.0.1:1/", "https://api.stytch.com/"] {
            assert!(base_url("project-live-1", Some(url)).unwrap_err().contains("live"), "{url}");
        }
    }

    #[test]
    fn a_test_project_may_go_elsewhere_where_secrets_are_safe() {
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
