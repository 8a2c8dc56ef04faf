//! What is set, what it means, and what would be better. Pure, so that every case is a test.

use url::{Host, Origin, Url};

use super::reach::{Joined, Reach};
use crate::site::Site;

/// Whether a setting is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Good,
    Unset,
    Wrong,
}

impl Verdict {
    /// For people; also the class.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Unset => "unset",
            Self::Wrong => "wrong",
        }
    }
}

/// One variable, as it is now.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    pub value: Option<String>,
    pub verdict: Verdict,
    /// What it does, or would do.
    pub means: String,
}

/// Those that joining an application depends on.
pub fn all(site: &Site) -> Vec<Setting> {
    vec![public_url(site), app_url(site), app_origins(site), cookie_domain(site)]
}

fn public_url(site: &Site) -> Setting {
    let url = &site.public_url;
    let (verdict, means) = if site.is_secure() {
        (Verdict::Good, "Where people's browsers reach Guestlist. Its cookies are Secure.")
    } else if is_local(url) {
        (
            Verdict::Good,
            "Where browsers on this machine reach Guestlist. For others, set it to an https \
             address.",
        )
    } else {
        (
            Verdict::Wrong,
            "Sessions travel unencrypted. Put Guestlist behind https, and set PUBLIC_URL to that.",
        )
    };
    let value = Some(url.origin().ascii_serialization());
    Setting { name: "PUBLIC_URL", value, verdict, means: means.to_owned() }
}

fn app_url(site: &Site) -> Setting {
    let (verdict, means) = match &site.app_url {
        Some(url) if is_ours(site, url) => {
            let means = "Where people land after coming in, unless return_to says otherwise.";
            (Verdict::Good, means.to_owned())
        }
        Some(url) => {
            let origin = url.origin().ascii_serialization();
            (
                Verdict::Wrong,
                format!(
                    "People land there, but APP_ORIGINS does not name {origin}: return_to may \
                     not lead there, and its pages may not call."
                ),
            )
        }
        None => {
            let means = "People who come in stay on Guestlist's own page. Set it to your \
                         application's address.";
            (Verdict::Unset, means.to_owned())
        }
    };
    Setting { name: "APP_URL", value: site.app_url.as_ref().map(Url::to_string), verdict, means }
}

fn is_ours(site: &Site, url: &Url) -> bool {
    site.is_ours(&url.origin())
}

fn app_origins(site: &Site) -> Setting {
    let origins: Vec<_> = site.app_origins.iter().map(Origin::ascii_serialization).collect();
    let (verdict, means) = if origins.is_empty() {
        (
            Verdict::Unset,
            "return_to takes only pages of Guestlist's own. It is the origin of APP_URL unless \
             you set it, too.",
        )
    } else {
        (
            Verdict::Good,
            "return_to may lead there, and scripts of pages there may call Guestlist with the \
             browser's cookies.",
        )
    };
    let value = Some(origins.join(",")).filter(|origins| !origins.is_empty());
    Setting { name: "APP_ORIGINS", value, verdict, means: means.to_owned() }
}

fn cookie_domain(site: &Site) -> Setting {
    let wanted = Joined::all(site).into_iter().find_map(|joined| match joined.reach {
        Reach::Sibling(domain) => Some((joined.origin, domain)),
        _ => None,
    });
    let (verdict, means) = match (&site.cookie_domain, wanted) {
        (None, None) => {
            let means = "The session is for Guestlist's own host, whatever the port. Set it to \
                         share the session with sibling hosts.";
            (Verdict::Good, means.to_owned())
        }
        (None, Some((origin, domain))) => (
            Verdict::Unset,
            format!(
                "{origin} does not see the session. COOKIE_DOMAIN={domain} would share it with \
                 every host of {domain}."
            ),
        ),
        (Some(_), Some((origin, domain))) => (
            Verdict::Wrong,
            format!(
                "{origin} is not within it, and does not see the session. COOKIE_DOMAIN={domain} \
                 would reach it."
            ),
        ),
        (Some(domain), None) => (
            Verdict::Good,
            format!("Every host of {domain} sees the session: trust all that runs there."),
        ),
    };
    Setting { name: "COOKIE_DOMAIN", value: site.cookie_domain.clone(), verdict, means }
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
pub mod tests {
    use super::Verdict::{Good, Unset, Wrong};
    use super::*;
    use crate::site::Project;

    pub fn site(public: &str, app: Option<&str>, cookie_domain: Option<&str>) -> Site {
        let app_url = app.map(|app| Url::parse(app).unwrap());
        Site {
            public_url: Url::parse(public).unwrap(),
            app_name: "Guestlist".into(),
            app_origins: app_url.iter().map(Url::origin).collect(),
            app_url,
            cookie_domain: cookie_domain.map(ToOwned::to_owned),
            hsts_include_subdomains: false,
            trusted_proxies: vec![],
            inbox_url: None,
            stytch: Project::default(),
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_said() {
        let verdicts = |site: &Site| -> Vec<_> {
            all(site).iter().map(|setting| (setting.name, setting.verdict)).collect()
        };
        let new = site("http://localhost:3000", None, None);
        let expected = [
            ("PUBLIC_URL", Good),
            ("APP_URL", Unset),
            ("APP_ORIGINS", Unset),
            ("COOKIE_DOMAIN", Good),
        ];
        assert_eq!(verdicts(&new), expected);
        let mut late = site("http://guests.example.com", Some("http://app.example.com"), None);
        late.app_origins = vec![Url::parse("http://other.example.com").unwrap().origin()];
        let expected = [
            ("PUBLIC_URL", Wrong),
            ("APP_URL", Wrong),
            ("APP_ORIGINS", Good),
            ("COOKIE_DOMAIN", Unset),
        ];
        assert_eq!(verdicts(&late), expected);
        late.cookie_domain = Some("guests.example.com".into());
        assert_eq!(verdicts(&late)[3], ("COOKIE_DOMAIN", Wrong));
        late.cookie_domain = Some("example.com".into());
        assert_eq!(verdicts(&late)[3], ("COOKIE_DOMAIN", Good));
    }
}
