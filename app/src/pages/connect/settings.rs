//! Checks the settings that connecting an application depends on.

use url::{Origin, Url};

use super::cookie_access::{ConnectedApp, CookieAccess, GOOD, UNSET, WRONG};
use crate::config::{SiteConfig, is_loopback};

#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    pub value: Option<String>,
    pub css_class: &'static str,
    /// What the setting does, or how to fix it.
    pub explanation: String,
}

pub fn check_all(site: &SiteConfig) -> [Setting; 4] {
    let origins: Vec<_> = site.app_origins.iter().map(Origin::ascii_serialization).collect();
    let origins = Some(origins.join(",")).filter(|origins| !origins.is_empty());
    let public_url = Some(site.public_url.origin().ascii_serialization());
    let app_url = site.app_url.as_ref().map(Url::to_string);
    let check =
        |name, value, (css_class, explanation)| Setting { name, value, css_class, explanation };
    [
        check("PUBLIC_URL", public_url, check_public_url(site)),
        check("APP_URL", app_url, check_app_url(site)),
        check("APP_ORIGINS", origins, check_app_origins(site)),
        check("COOKIE_DOMAIN", site.cookie_domain.clone(), check_cookie_domain(site)),
    ]
}

type Verdict = (&'static str, String);

fn check_public_url(site: &SiteConfig) -> Verdict {
    let (css_class, explanation) = if site.is_secure() {
        (GOOD, "URL at which browsers reach Guestlist. Its cookies are Secure.")
    } else if site.public_url.host().is_some_and(|host| is_loopback(&host)) {
        let explanation = "URL at which browsers on this machine reach Guestlist. For other \
                           machines, set it to an https URL.";
        (GOOD, explanation)
    } else {
        let explanation = "Sessions are sent unencrypted. Serve Guestlist over https and set \
                           PUBLIC_URL to its https URL.";
        (WRONG, explanation)
    };
    (css_class, explanation.to_owned())
}

fn check_app_url(site: &SiteConfig) -> Verdict {
    match site.app_url.as_ref().map(Url::origin) {
        Some(origin) if site.is_allowed_origin(&origin) => {
            let explanation = "URL that users open after login, unless return_to names another.";
            (GOOD, explanation.to_owned())
        }
        Some(origin) => {
            let explanation = format!(
                "Users open it after login, but APP_ORIGINS does not contain {}: return_to can’t \
                 name it, and its scripts can’t call Guestlist.",
                origin.ascii_serialization()
            );
            (WRONG, explanation)
        }
        None => {
            let explanation = "After login, users stay on Guestlist’s own page. Set it to your \
                               application’s URL.";
            (UNSET, explanation.to_owned())
        }
    }
}

fn check_app_origins(site: &SiteConfig) -> Verdict {
    let (css_class, explanation) = if site.app_origins.is_empty() {
        let explanation = "return_to can name only Guestlist’s own pages. Defaults to the origin \
                           of APP_URL.";
        (UNSET, explanation)
    } else {
        let explanation = "Origins that return_to may name, and whose scripts may call Guestlist \
                           with the session cookies.";
        (GOOD, explanation)
    };
    (css_class, explanation.to_owned())
}

fn check_cookie_domain(site: &SiteConfig) -> Verdict {
    let needed = ConnectedApp::all(site).into_iter().find_map(|app| match app.access {
        CookieAccess::NeedsCookieDomain(domain) => Some((app.origin, domain)),
        _ => None,
    });
    match (&site.cookie_domain, needed) {
        (None, None) => {
            let explanation = "The session cookies are for Guestlist’s own host, on any port. Set \
                               it to share them with sibling hosts.";
            (GOOD, explanation.to_owned())
        }
        (None, Some((origin, domain))) => {
            let explanation = format!(
                "{origin} does not get the session cookies. Set it to {domain} to share them with \
                 every host of {domain}."
            );
            (UNSET, explanation)
        }
        (Some(_), Some((origin, domain))) => {
            let explanation = format!(
                "{origin} is not within it and does not get the session cookies. Set it to \
                 {domain}."
            );
            (WRONG, explanation)
        }
        (Some(domain), None) => {
            let explanation =
                format!("Every host of {domain} gets the session cookies, so all must be trusted.");
            (GOOD, explanation)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::test_site;

    #[test]
    fn missing_and_wrong_settings_are_reported() {
        let states = |site: &SiteConfig| -> Vec<_> {
            check_all(site).iter().map(|setting| (setting.name, setting.css_class)).collect()
        };
        let default = test_site("http://localhost:3000", None, None);
        let expected = [
            ("PUBLIC_URL", GOOD),
            ("APP_URL", UNSET),
            ("APP_ORIGINS", UNSET),
            ("COOKIE_DOMAIN", GOOD),
        ];
        assert_eq!(states(&default), expected);
        let app = Some("http://app.example.com");
        let mut site = test_site("http://guests.example.com", app, None);
        site.app_origins = vec![Url::parse("http://other.example.com").unwrap().origin()];
        let expected = [
            ("PUBLIC_URL", WRONG),
            ("APP_URL", WRONG),
            ("APP_ORIGINS", GOOD),
            ("COOKIE_DOMAIN", UNSET),
        ];
        assert_eq!(states(&site), expected);
        site.cookie_domain = Some("guests.example.com".into());
        assert_eq!(states(&site)[3], ("COOKIE_DOMAIN", WRONG));
        site.cookie_domain = Some("example.com".into());
        assert_eq!(states(&site)[3], ("COOKIE_DOMAIN", GOOD));
    }
}
