//! The addresses of this installation and of the application it serves.

use guestlist_domain::ReturnTo;
use ipnet::IpNet;
use url::{Host, Origin, Url};

/// Settings that requests and pages depend on, with the public URL known.
#[derive(Debug, Clone)]
pub struct SiteConfig {
    /// URL at which browsers reach Guestlist.
    pub public_url: Url,
    /// Product name shown on pages.
    pub app_name: String,
    /// URL of the application that users log in to.
    pub app_url: Option<Url>,
    /// Origins, besides Guestlist's own, that may send requests with cookies and that `return_to`
    /// may name.
    pub app_origins: Vec<Origin>,
    /// `Domain` attribute of the session cookies; host-only if `None`.
    pub cookie_domain: Option<String>,
    /// Whether `Strict-Transport-Security` carries `includeSubDomains`.
    pub hsts_include_subdomains: bool,
    /// Networks of the proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// URL of the sandbox's inbox; set only in `dev`.
    pub inbox_url: Option<String>,
    /// The Stytch project that issues the sessions' JWTs.
    pub stytch: StytchProject,
}

/// The parts of a Stytch project that a verifier of its JWTs needs.
#[derive(Debug, Clone, Default)]
pub struct StytchProject {
    /// `project-test-…` or `project-live-…`.
    pub id: String,
    /// Base URL of the API, without a trailing slash.
    pub base_url: String,
}

impl From<&guestlist_stytch::Options> for StytchProject {
    fn from(options: &guestlist_stytch::Options) -> Self {
        let base_url = options.base_url.as_str().trim_end_matches('/').to_owned();
        Self { id: options.project_id.clone(), base_url }
    }
}

impl SiteConfig {
    /// Returns whether browsers reach Guestlist over TLS.
    pub fn is_secure(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// Returns whether `origin` is Guestlist's own or listed in `APP_ORIGINS`.
    pub fn is_allowed_origin(&self, origin: &Origin) -> bool {
        *origin == self.public_url.origin() || self.app_origins.contains(origin)
    }

    /// Parses the URL to open after login: a path on this site or a URL of an allowed origin.
    ///
    /// The result is the URL parser's serialization, so that every later reader interprets it in
    /// the same way.
    ///
    /// # Errors
    ///
    /// Returns the reason, as the rest of a sentence about the field.
    pub fn parse_return_to(&self, text: &str) -> Result<ReturnTo, &'static str> {
        const REJECTED: &str = "must be a path, or a URL of an origin in APP_ORIGINS";
        const MAX_LENGTH: usize = 2000;
        if text.len() > MAX_LENGTH || text.chars().any(char::is_control) || text.contains('\\') {
            return Err(REJECTED);
        }
        // Resolved as a browser would, so that no spelling leads to another site.
        let is_path = text.starts_with('/') && !text.starts_with("//");
        let url = if is_path { self.public_url.join(text) } else { Url::parse(text) };
        let url = url.map_err(|_| REJECTED)?;
        let is_http = matches!(url.scheme(), "http" | "https");
        let has_user = !url.username().is_empty() || url.password().is_some();
        let target = if is_path { &url[url::Position::BeforePath..] } else { url.as_str() };
        // `/..//host` is a path on this site, but its normalized form, `//host`, is another host.
        let is_foreign = !is_http || has_user || !self.is_allowed_origin(&url.origin());
        if is_foreign || target.starts_with("//") || target.len() > MAX_LENGTH {
            return Err(REJECTED);
        }
        Ok(ReturnTo::checked(target.to_owned()))
    }

    /// Returns the URL to open after login: `return_to`, else `APP_URL`, else the home page.
    pub fn landing_url(&self, return_to: Option<&ReturnTo>) -> String {
        return_to
            .map(|url| url.as_str().to_owned())
            .or_else(|| self.app_url.as_ref().map(Url::to_string))
            .unwrap_or_else(|| "/".to_owned())
    }
}

/// Returns whether a host names this machine.
pub fn is_loopback<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.as_ref();
            name == "localhost" || name.ends_with(".localhost")
        }
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Returns settings for a test.
#[cfg(test)]
pub fn test_site(
    public_url: &str,
    app_url: Option<&str>,
    cookie_domain: Option<&str>,
) -> SiteConfig {
    let parse = |url: &str| Url::parse(url).unwrap();
    let app_url = app_url.map(parse);
    SiteConfig {
        public_url: parse(public_url),
        app_name: "Guestlist".into(),
        app_origins: app_url.iter().map(Url::origin).collect(),
        app_url,
        cookie_domain: cookie_domain.map(ToOwned::to_owned),
        hsts_include_subdomains: false,
        trusted_proxies: vec![],
        inbox_url: None,
        stytch: StytchProject::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> SiteConfig {
        let app = Some("https://app.example.com");
        test_site("https://guests.example.com", app, None)
    }

    #[test]
    fn return_to_never_leads_to_another_site() {
        for accepted in
            ["/", "/a?b=c#d", "https://app.example.com/x", "https://guests.example.com/"]
        {
            assert!(site().parse_return_to(accepted).is_ok(), "{accepted}");
        }
        for rejected in [
            "",
            "a",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "https://app.example.com.evil.example",
            "https://app.example.com@evil.example",
            "https://user@app.example.com/",
            "http://app.example.com/",
            "https:evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "https://app.example.com:444/",
            "/..//evil.example",
            "/.//evil.example",
            "/a/..//evil.example",
            "/%2e//evil.example",
        ] {
            assert!(site().parse_return_to(rejected).is_err(), "{rejected}");
        }
    }

    #[test]
    fn return_to_is_stored_as_the_url_parser_serializes_it() {
        for (text, stored) in [
            ("/", "/"),
            ("/a?b=c#d", "/a?b=c#d"),
            ("/a/../b/./c", "/b/c"),
            (
                "/m\u{fc}nchen und mehr?q=\u{fc} x#\u{fc}",
                "/m%C3%BCnchen%20und%20mehr?q=%C3%BC%20x#%C3%BC",
            ),
            ("/\"<>", "/%22%3C%3E"),
            ("https:app.example.com/x", "https://app.example.com/x"),
            (" https://app.example.com", "https://app.example.com/"),
            ("HTTPS://APP.example.com:443/x", "https://app.example.com/x"),
            ("https:///app.example.com/x", "https://app.example.com/x"),
            ("https://app.example.com/..//evil.example", "https://app.example.com//evil.example"),
        ] {
            let return_to = site().parse_return_to(text);
            assert_eq!(return_to.as_ref().map(ReturnTo::as_str), Ok(stored), "{text}");
        }
        let too_long = format!("/{}", "\u{fc}".repeat(900));
        assert!(site().parse_return_to(&too_long).is_err(), "over 2000 bytes once it is encoded");
    }
}
