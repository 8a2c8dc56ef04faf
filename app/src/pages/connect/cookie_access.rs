//! Whether browsers send the session cookies to an application, and what that requires.

use url::{Host, Origin, Url};

use super::super::components::{StateLabel, Tone};
use crate::config::SiteConfig;

/// Whether browsers send the session cookies to an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CookieAccess {
    /// Browsers send them.
    Shared,
    /// Browsers send them if `COOKIE_DOMAIN` has this value.
    NeedsCookieDomain(String),
    /// Browsers do not send them, since only one of Guestlist and the application uses https.
    SchemeMismatch,
    /// Browsers can't send them, since the application is on another domain.
    OtherSite,
}

/// An application that Guestlist is configured for.
#[derive(Debug)]
pub struct ConnectedApp {
    pub origin: String,
    pub access: CookieAccess,
}

impl ConnectedApp {
    /// Returns the applications of `APP_URL` and `APP_ORIGINS`.
    pub fn all(site: &SiteConfig) -> Vec<Self> {
        let app_url = site.app_url.iter().map(Url::origin);
        let mut apps = Vec::<Self>::new();
        for origin in app_url.chain(site.app_origins.iter().cloned()) {
            let access = cookie_access(site, &origin);
            let origin = origin.ascii_serialization();
            if apps.iter().all(|app| app.origin != origin) {
                apps.push(Self { origin, access });
            }
        }
        apps
    }

    pub fn state(&self) -> StateLabel {
        match self.access {
            CookieAccess::Shared => StateLabel::new(Tone::Good, "check", "Connected"),
            CookieAccess::NeedsCookieDomain(_) => {
                StateLabel::new(Tone::Warn, "warn", "Needs COOKIE_DOMAIN")
            }
            CookieAccess::SchemeMismatch => StateLabel::new(Tone::Bad, "x", "Needs https"),
            CookieAccess::OtherSite => StateLabel::new(Tone::Warn, "link", "Other domain"),
        }
    }

    /// Returns what the state means, and how to fix it.
    pub fn explanation(&self) -> String {
        match &self.access {
            CookieAccess::Shared => {
                "The session cookies reach it: your backend forwards them to ask who is logged in."
                    .to_owned()
            }
            CookieAccess::NeedsCookieDomain(domain) => format!(
                "The session cookies do not reach it yet. Set COOKIE_DOMAIN={domain}; users who \
                 are already logged in follow within five minutes. (If anyone can register names \
                 under {domain}, as under co.uk, browsers reject such cookies: use your own login \
                 page instead.)"
            ),
            CookieAccess::SchemeMismatch => {
                "The session cookies do not reach it. Serve both Guestlist and your application \
                 over https, or neither."
                    .to_owned()
            }
            CookieAccess::OtherSite => {
                "Your application is on another domain, which cookies can’t reach. Use your own \
                 login page."
                    .to_owned()
            }
        }
    }
}

fn cookie_access(site: &SiteConfig, app: &Origin) -> CookieAccess {
    let Origin::Tuple(scheme, app_host, _) = app else { return CookieAccess::OtherSite };
    let guestlist_host = site.public_url.host_str().unwrap_or_default();
    let app_host = app_host.to_string();
    let is_within =
        |domain: &String| app_host == *domain || app_host.ends_with(&format!(".{domain}"));
    // Cookies depend on the host and on https, but not on the port.
    let is_shared =
        app_host == guestlist_host || site.cookie_domain.as_ref().is_some_and(is_within);
    match shared_domain(guestlist_host, &app_host) {
        None if !is_shared => CookieAccess::OtherSite,
        _ if (scheme == "https") != site.is_secure() => CookieAccess::SchemeMismatch,
        Some(domain) if !is_shared => CookieAccess::NeedsCookieDomain(domain),
        _ => CookieAccess::Shared,
    }
}

/// Returns the longest domain that contains both hosts, if it has at least two labels.
fn shared_domain(a: &str, b: &str) -> Option<String> {
    let is_name = |host| matches!(Host::parse(host), Ok(Host::Domain(_)));
    if !is_name(a) || !is_name(b) {
        return None;
    }
    let pairs = a.rsplit('.').zip(b.rsplit('.'));
    let mut labels: Vec<_> = pairs.take_while(|(a, b)| a == b).map(|(label, _)| label).collect();
    labels.reverse();
    (labels.len() > 1).then(|| labels.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::test_site;

    fn access(public: &str, app: &str, cookie_domain: Option<&str>) -> CookieAccess {
        ConnectedApp::all(&test_site(public, Some(app), cookie_domain)).remove(0).access
    }

    #[test]
    fn cookies_reach_the_same_host_and_hosts_within_their_domain() {
        let guests = "https://guests.example.com";
        for (public, app, domain) in [
            ("http://localhost:3000", "http://localhost:4000", None),
            (guests, "https://guests.example.com:8443", None),
            (guests, "https://app.example.com", Some("example.com")),
            (guests, "https://example.com", Some("example.com")),
            ("http://guests.app.localhost:1", "http://app.localhost:2", Some("app.localhost")),
        ] {
            assert_eq!(access(public, app, domain), CookieAccess::Shared, "{public} {app}");
        }
        for domain in [Some("example.com"), None] {
            assert_eq!(
                access(guests, "http://app.example.com", domain),
                CookieAccess::SchemeMismatch
            );
        }
    }

    #[test]
    fn a_sibling_host_needs_the_shared_domain() {
        let guests = "https://guests.example.com";
        let sibling = |domain: &str| CookieAccess::NeedsCookieDomain(domain.to_owned());
        assert_eq!(access(guests, "https://app.example.com", None), sibling("example.com"));
        let narrow = Some("guests.example.com");
        assert_eq!(access(guests, "https://app.example.com", narrow), sibling("example.com"));
        for app in ["https://example.org", "https://127.0.0.1", "https://badexample.com"] {
            assert_eq!(access(guests, app, Some("example.com")), CookieAccess::OtherSite, "{app}");
        }
        assert_eq!(access("http://10.0.0.1", "http://10.0.0.2", None), CookieAccess::OtherSite);
        assert_eq!(
            access("http://a.localhost", "http://b.localhost", None),
            CookieAccess::OtherSite
        );
    }
}
