//! Checks the settings that connecting an application depends on.

use url::{Origin, Url};

use super::super::components::{StateLabel, Tone};
use super::check::{CheckResult, CheckState};
use super::cookie_access::{ConnectedApp, CookieAccess};
use crate::config::{SiteConfig, is_loopback};

#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    pub value: Option<String>,
    pub result: CheckResult,
}

impl Setting {
    pub fn state(&self) -> StateLabel {
        match self.result.state {
            CheckState::Good if self.value.is_some() => StateLabel::new(Tone::Good, "check", "Set"),
            CheckState::Good => StateLabel::new(Tone::Good, "check", "Ready"),
            CheckState::Unset => StateLabel::new(Tone::Off, "next", "Not set"),
            CheckState::Wrong => StateLabel::new(Tone::Bad, "x", "Wrong"),
        }
    }
}

pub fn check_all(site: &SiteConfig, has_webhook_secret: bool) -> [Setting; 5] {
    let origins: Vec<_> = site.app_origins.iter().map(Origin::ascii_serialization).collect();
    let origins = Some(origins.join(",")).filter(|origins| !origins.is_empty());
    let public_url = Some(site.public_url.origin().ascii_serialization());
    let app_url = site.app_url.as_ref().map(Url::to_string);
    let setting = |name, value, result| Setting { name, value, result };
    [
        setting("PUBLIC_URL", public_url, check_public_url(site)),
        setting("APP_URL", app_url, check_app_url(site)),
        setting("APP_ORIGINS", origins, check_app_origins(site)),
        setting("COOKIE_DOMAIN", site.cookie_domain.clone(), check_cookie_domain(site)),
        // Secrets have no place on a page.
        setting("STYTCH_WEBHOOK_SECRET", None, check_webhook_secret(has_webhook_secret)),
    ]
}

fn check_public_url(site: &SiteConfig) -> CheckResult {
    if site.is_secure() {
        return CheckResult::good("URL at which browsers reach Guestlist. Its cookies are Secure.");
    }
    if site.public_url.host().is_some_and(|host| is_loopback(&host)) {
        return CheckResult::good(
            "URL at which browsers on this machine reach Guestlist. For other machines, set it to \
             an https URL.",
        );
    }
    CheckResult::wrong(
        "Sessions are sent unencrypted. Serve Guestlist over https and set PUBLIC_URL to its \
         https URL.",
    )
}

fn check_app_url(site: &SiteConfig) -> CheckResult {
    match site.app_url.as_ref().map(Url::origin) {
        Some(origin) if site.is_allowed_origin(&origin) => {
            CheckResult::good("URL that users open after login, unless return_to names another.")
        }
        Some(origin) => CheckResult::wrong(format!(
            "Users open it after login, but APP_ORIGINS does not contain {}: return_to can’t name \
             it, and its scripts can’t call Guestlist.",
            origin.ascii_serialization()
        )),
        None => CheckResult::unset(
            "After login, users stay on Guestlist’s own page. Set it to your application’s URL.",
        ),
    }
}

fn check_app_origins(site: &SiteConfig) -> CheckResult {
    if site.app_origins.is_empty() {
        return CheckResult::unset(
            "return_to can name only Guestlist’s own pages. Defaults to the origin of APP_URL.",
        );
    }
    CheckResult::good(
        "Origins that return_to may name, and whose scripts may call Guestlist with the session \
         cookies.",
    )
}

fn check_cookie_domain(site: &SiteConfig) -> CheckResult {
    let needed = ConnectedApp::all(site).into_iter().find_map(|app| match app.access {
        CookieAccess::NeedsCookieDomain(domain) => Some((app.origin, domain)),
        _ => None,
    });
    match (&site.cookie_domain, needed) {
        (None, None) => CheckResult::good(
            "The session cookies are for Guestlist’s own host, on any port. Set it to share them \
             with sibling hosts.",
        ),
        (None, Some((origin, domain))) => CheckResult::unset(format!(
            "{origin} does not get the session cookies. Set it to {domain} to share them with \
             every host of {domain}."
        )),
        (Some(_), Some((origin, domain))) => CheckResult::wrong(format!(
            "{origin} is not within it and does not get the session cookies. Set it to {domain}."
        )),
        (Some(domain), None) => CheckResult::good(format!(
            "Every host of {domain} gets the session cookies, so all must be trusted."
        )),
    }
}

fn check_webhook_secret(is_set: bool) -> CheckResult {
    if is_set {
        return CheckResult::good("Users who are deleted at Stytch are logged out at once.");
    }
    CheckResult::unset(
        "Users who are deleted at Stytch are logged out only after the next comparison. Add the \
         webhook, and set it to its secret.",
    )
}

#[cfg(test)]
mod tests {
    use super::super::check::CheckState::{Good, Unset, Wrong};
    use super::*;
    use crate::config::test_site;

    #[test]
    fn missing_and_wrong_settings_are_reported() {
        let states = |site: &SiteConfig| -> Vec<_> {
            check_all(site, false)
                .iter()
                .map(|setting| (setting.name, setting.result.state))
                .collect()
        };
        let default = test_site("http://localhost:3000", None, None);
        let expected = [
            ("PUBLIC_URL", Good),
            ("APP_URL", Unset),
            ("APP_ORIGINS", Unset),
            ("COOKIE_DOMAIN", Good),
            ("STYTCH_WEBHOOK_SECRET", Unset),
        ];
        assert_eq!(states(&default), expected);
        let app = Some("http://app.example.com");
        let mut site = test_site("http://guests.example.com", app, None);
        site.app_origins = vec![Url::parse("http://other.example.com").unwrap().origin()];
        let expected = [
            ("PUBLIC_URL", Wrong),
            ("APP_URL", Wrong),
            ("APP_ORIGINS", Good),
            ("COOKIE_DOMAIN", Unset),
            ("STYTCH_WEBHOOK_SECRET", Unset),
        ];
        assert_eq!(states(&site), expected);
        site.cookie_domain = Some("guests.example.com".into());
        assert_eq!(states(&site)[3], ("COOKIE_DOMAIN", Wrong));
        site.cookie_domain = Some("example.com".into());
        assert_eq!(states(&site)[3], ("COOKIE_DOMAIN", Good));
        assert_eq!(check_all(&site, true)[4].result.state, Good);
    }
}
