//! Checks the settings that connecting an application depends on.

use url::{Origin, Url};

use super::cookie_access::{ConnectedApp, CookieAccess};
use crate::config::{SiteConfig, is_loopback};

/// The result of checking a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingState {
    Good,
    Unset,
    Wrong,
}

#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    pub value: Option<String>,
    pub state: SettingState,
    /// What the setting does, or how to fix it.
    pub explanation: String,
}

impl Setting {
    fn new(
        name: &'static str,
        value: Option<String>,
        state: SettingState,
        explanation: impl Into<String>,
    ) -> Self {
        Self { name, value, state, explanation: explanation.into() }
    }

    /// Returns the CSS class.
    pub fn css_class(&self) -> &'static str {
        match self.state {
            SettingState::Good => "good",
            SettingState::Unset => "unset",
            SettingState::Wrong => "wrong",
        }
    }
}

pub fn check_all(site: &SiteConfig) -> Vec<Setting> {
    vec![public_url(site), app_url(site), app_origins(site), cookie_domain(site)]
}

fn public_url(site: &SiteConfig) -> Setting {
    let url = &site.public_url;
    let (state, explanation) = if site.is_secure() {
        (SettingState::Good, "URL at which browsers reach Guestlist. Its cookies are Secure.")
    } else if url.host().is_some_and(|host| is_loopback(&host)) {
        let explanation = "URL at which browsers on this machine reach Guestlist. For other \
                           machines, set it to an https URL.";
        (SettingState::Good, explanation)
    } else {
        let explanation = "Sessions are sent unencrypted. Serve Guestlist over https and set \
                           PUBLIC_URL to its https URL.";
        (SettingState::Wrong, explanation)
    };
    Setting::new("PUBLIC_URL", Some(url.origin().ascii_serialization()), state, explanation)
}

fn app_url(site: &SiteConfig) -> Setting {
    let (state, explanation) = match &site.app_url {
        Some(url) if site.is_allowed_origin(&url.origin()) => {
            let explanation = "URL that users open after login, unless return_to names another.";
            (SettingState::Good, explanation.to_owned())
        }
        Some(url) => {
            let origin = url.origin().ascii_serialization();
            let explanation = format!(
                "Users open it after login, but APP_ORIGINS does not contain {origin}: return_to \
                 can’t name it, and its scripts can’t call Guestlist."
            );
            (SettingState::Wrong, explanation)
        }
        None => {
            let explanation = "After login, users stay on Guestlist’s own page. Set it to your \
                               application’s URL.";
            (SettingState::Unset, explanation.to_owned())
        }
    };
    Setting::new("APP_URL", site.app_url.as_ref().map(Url::to_string), state, explanation)
}

fn app_origins(site: &SiteConfig) -> Setting {
    let origins: Vec<_> = site.app_origins.iter().map(Origin::ascii_serialization).collect();
    let (state, explanation) = if origins.is_empty() {
        let explanation = "return_to can name only Guestlist’s own pages. Defaults to the origin \
                           of APP_URL.";
        (SettingState::Unset, explanation)
    } else {
        let explanation = "Origins that return_to may name, and whose scripts may call Guestlist \
                           with the session cookies.";
        (SettingState::Good, explanation)
    };
    let value = Some(origins.join(",")).filter(|origins| !origins.is_empty());
    Setting::new("APP_ORIGINS", value, state, explanation)
}

fn cookie_domain(site: &SiteConfig) -> Setting {
    let needed = ConnectedApp::all(site).into_iter().find_map(|app| match app.access {
        CookieAccess::NeedsCookieDomain(domain) => Some((app.origin, domain)),
        _ => None,
    });
    let (state, explanation) = match (&site.cookie_domain, needed) {
        (None, None) => {
            let explanation = "The session cookies are for Guestlist’s own host, on any port. Set \
                               it to share them with sibling hosts.";
            (SettingState::Good, explanation.to_owned())
        }
        (None, Some((origin, domain))) => (
            SettingState::Unset,
            format!(
                "{origin} does not get the session cookies. Set it to {domain} to share them with \
                 every host of {domain}."
            ),
        ),
        (Some(_), Some((origin, domain))) => (
            SettingState::Wrong,
            format!(
                "{origin} is not within it and does not get the session cookies. Set it to \
                 {domain}."
            ),
        ),
        (Some(domain), None) => (
            SettingState::Good,
            format!("Every host of {domain} gets the session cookies, so all must be trusted."),
        ),
    };
    Setting::new("COOKIE_DOMAIN", site.cookie_domain.clone(), state, explanation)
}

#[cfg(test)]
mod tests {
    use super::SettingState::{Good, Unset, Wrong};
    use super::*;
    use crate::config::test_site;

    #[test]
    fn missing_and_wrong_settings_are_reported() {
        let states = |site: &SiteConfig| -> Vec<_> {
            check_all(site).iter().map(|setting| (setting.name, setting.state)).collect()
        };
        let default = test_site("http://localhost:3000", None, None);
        let expected = [
            ("PUBLIC_URL", Good),
            ("APP_URL", Unset),
            ("APP_ORIGINS", Unset),
            ("COOKIE_DOMAIN", Good),
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
        ];
        assert_eq!(states(&site), expected);
        site.cookie_domain = Some("guests.example.com".into());
        assert_eq!(states(&site)[3], ("COOKIE_DOMAIN", Wrong));
        site.cookie_domain = Some("example.com".into());
        assert_eq!(states(&site)[3], ("COOKIE_DOMAIN", Good));
    }
}
