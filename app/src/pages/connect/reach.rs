//! Whether a session's cookies come to an application, and what it would take. Pure, so that every
//! case is a test.

use url::{Host, Origin, Url};

use super::settings::Verdict;
use crate::site::Site;

/// Whether a session's cookies come to an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// They do.
    Reached,
    /// They would, with this `COOKIE_DOMAIN`.
    Sibling(String),
    /// They are for https, and the application is not; or the other way about.
    Scheme,
    /// They can't.
    Elsewhere,
}

/// An application, and what it takes to join it.
#[derive(Debug)]
pub struct Joined {
    pub origin: String,
    pub reach: Reach,
}

impl Joined {
    /// Every application that is named.
    pub fn all(site: &Site) -> Vec<Self> {
        let landing = site.app_url.iter().map(Url::origin);
        let mut all = Vec::<Self>::new();
        for origin in landing.chain(site.app_origins.iter().cloned()) {
            let reach = reach(site, &origin);
            let origin = origin.ascii_serialization();
            if all.iter().all(|known| known.origin != origin) {
                all.push(Self { origin, reach });
            }
        }
        all
    }

    /// For people.
    pub fn means(&self) -> String {
        match &self.reach {
            Reach::Reached => {
                "The session's cookies reach it: your backend asks who is logged in by \
                               handing them on."
                    .to_owned()
            }
            Reach::Sibling(domain) => format!(
                "The session's cookies do not reach it yet: set COOKIE_DOMAIN={domain}, and they do; \
                 of whoever is logged in already, within five minutes. (If anybody may register \
                 names under {domain}, as under co.uk, browsers refuse that: then use the backend \
                 flow.)"
            ),
            Reach::Scheme => "Guestlist and your application must both be https, or neither: the \
                              session's cookies do not cross over."
                .to_owned(),
            Reach::Elsewhere => "Your application is on another domain: cookies will not reach \
                                 it. Use the backend flow."
                .to_owned(),
        }
    }

    /// In a word.
    pub fn word(&self) -> &'static str {
        match self.reach {
            Reach::Reached => "reached",
            Reach::Sibling(_) => "not yet",
            Reach::Scheme | Reach::Elsewhere => "out of reach",
        }
    }

    /// For the colour.
    pub fn verdict(&self) -> Verdict {
        match self.reach {
            Reach::Reached => Verdict::Good,
            Reach::Sibling(_) => Verdict::Unset,
            Reach::Scheme | Reach::Elsewhere => Verdict::Wrong,
        }
    }
}

fn reach(site: &Site, app: &Origin) -> Reach {
    let Origin::Tuple(scheme, host, _) = app else { return Reach::Elsewhere };
    let ours = site.public_url.host_str().unwrap_or_default();
    let theirs = host.to_string();
    let is_within = |domain: &String| theirs == *domain || theirs.ends_with(&format!(".{domain}"));
    // Cookies know hosts and https, no ports.
    let is_reached = theirs == ours || site.cookie_domain.as_ref().is_some_and(is_within);
    let shared = shared_domain(ours, &theirs);
    match shared {
        None if !is_reached => Reach::Elsewhere,
        _ if (scheme == "https") != site.is_secure() => Reach::Scheme,
        Some(domain) if !is_reached => Reach::Sibling(domain),
        _ => Reach::Reached,
    }
}

/// The longest domain that both hosts are in; a single label is nobody's.
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
    use super::super::settings::tests::site;
    use super::*;

    fn reach_of(public: &str, app: &str, cookie_domain: Option<&str>) -> Reach {
        Joined::all(&site(public, Some(app), cookie_domain)).remove(0).reach
    }

    #[test]
    fn cookies_reach_the_same_host_and_what_is_within_their_domain() {
        let guests = "https://guests.example.com";
        for (public, app, domain) in [
            ("http://localhost:3000", "http://localhost:4000", None),
            (guests, "https://guests.example.com:8443", None),
            (guests, "https://app.example.com", Some("example.com")),
            (guests, "https://example.com", Some("example.com")),
            ("http://guests.app.localhost:1", "http://app.localhost:2", Some("app.localhost")),
        ] {
            assert_eq!(reach_of(public, app, domain), Reach::Reached, "{public} {app}");
        }
        for domain in [Some("example.com"), None] {
            assert_eq!(reach_of(guests, "http://app.example.com", domain), Reach::Scheme);
        }
    }

    #[test]
    fn for_a_sibling_the_domain_is_named_that_would_do() {
        let guests = "https://guests.example.com";
        let sibling = |domain: &str| Reach::Sibling(domain.to_owned());
        assert_eq!(reach_of(guests, "https://app.example.com", None), sibling("example.com"));
        let narrow = Some("guests.example.com");
        assert_eq!(reach_of(guests, "https://app.example.com", narrow), sibling("example.com"));
        for app in ["https://example.org", "https://127.0.0.1", "https://badexample.com"] {
            assert_eq!(reach_of(guests, app, Some("example.com")), Reach::Elsewhere, "{app}");
        }
        assert_eq!(reach_of("http://10.0.0.1", "http://10.0.0.2", None), Reach::Elsewhere);
        assert_eq!(reach_of("http://a.localhost", "http://b.localhost", None), Reach::Elsewhere);
    }
}
