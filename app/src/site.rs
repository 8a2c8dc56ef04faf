//! Where Guestlist stands among its neighbours: its own address, the application's, and whom it
//! believes.

use std::net::IpAddr;

use axum::http::HeaderMap;
use guestlist_domain::ReturnTo;
use ipnet::IpNet;
use url::{Origin, Url};

/// What the configuration says of the surroundings.
#[derive(Debug, Clone)]
pub struct Site {
    /// Where people's browsers reach us.
    pub public_url: Url,
    /// What people see as our name.
    pub app_name: String,
    /// The application that people come in to.
    pub app_url: Option<Url>,
    /// Origins that count as ours.
    pub app_origins: Vec<Origin>,
    /// The domain whose hosts share the session.
    pub cookie_domain: Option<String>,
    /// Whether HSTS holds for the subdomains of our host too.
    pub hsts_include_subdomains: bool,
    /// Whose word on the caller's address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The sandbox's inbox, where there is one.
    pub inbox_url: Option<String>,
    /// Who signs the sessions' JWTs.
    pub stytch: Project,
}

/// A project at Stytch, as those need to know it who verify its JWTs.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// `project-test-…` or `project-live-…`.
    pub id: String,
    /// Where its API is, without a slash at the end.
    pub base_url: String,
}

impl From<&guestlist_stytch::Options> for Project {
    fn from(options: &guestlist_stytch::Options) -> Self {
        let base_url = options.base_url.as_str().trim_end_matches('/').to_owned();
        Self { id: options.project_id.clone(), base_url }
    }
}

impl Site {
    /// Whether browsers reach us by TLS, so that cookies can demand it.
    pub fn is_secure(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// Whether requests from there count as ours.
    pub fn is_ours(&self, origin: &Origin) -> bool {
        *origin == self.public_url.origin() || self.app_origins.contains(origin)
    }

    /// Takes a place to go after coming in: a path of ours, or a URL of an allowed origin.
    pub fn return_to(&self, place: &str) -> Result<ReturnTo, &'static str> {
        const REFUSED: &str = "must be a path, or a URL of an origin in APP_ORIGINS";
        if place.len() > 2000 || place.chars().any(char::is_control) || place.contains('\\') {
            return Err(REFUSED);
        }
        // Resolved as a browser would, so that no spelling leads elsewhere.
        let is_path = place.starts_with('/') && !place.starts_with("//");
        let url = if is_path { self.public_url.join(place) } else { Url::parse(place) };
        let url = url.map_err(|_| REFUSED)?;
        let is_http = matches!(url.scheme(), "http" | "https");
        let has_user = !url.username().is_empty() || url.password().is_some();
        if is_http && !has_user && self.is_ours(&url.origin()) {
            Ok(ReturnTo::checked(place.to_owned()))
        } else {
            Err(REFUSED)
        }
    }

    /// Where somebody lands who has come in.
    pub fn landing(&self, return_to: Option<&ReturnTo>) -> String {
        return_to
            .map(|place| place.as_str().to_owned())
            .or_else(|| self.app_url.as_ref().map(Url::to_string))
            .unwrap_or_else(|| "/".to_owned())
    }

    /// The caller's address: the peer's, unless that is a proxy whose word is believed; then the
    /// last address that no believed proxy has.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let believed = |ip: &IpAddr| self.trusted_proxies.iter().any(|net| net.contains(ip));
        let mut client = peer.to_canonical();
        let forwarded = headers.get_all("x-forwarded-for").iter().rev();
        let hops = forwarded.filter_map(|value| value.to_str().ok());
        for hop in hops.flat_map(|value| value.rsplit(',')) {
            if !believed(&client) {
                break;
            }
            let Ok(ip) = hop.trim().parse::<IpAddr>() else { break };
            client = ip.to_canonical();
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site {
            public_url: Url::parse("https://guests.example.com").unwrap(),
            app_name: "Guestlist".into(),
            app_url: None,
            app_origins: vec![Url::parse("https://app.example.com").unwrap().origin()],
            cookie_domain: None,
            hsts_include_subdomains: false,
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            inbox_url: None,
            stytch: Project::default(),
        }
    }

    #[test]
    fn return_to_never_leads_elsewhere() {
        for good in ["/", "/a?b=c#d", "https://app.example.com/x", "https://guests.example.com/"] {
            assert!(site().return_to(good).is_ok(), "{good}");
        }
        for bad in [
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
        ] {
            assert!(site().return_to(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_believed_proxies_are_believed() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "1.1.1.1, 2.2.2.2".parse().unwrap());
        headers.append("x-forwarded-for", "10.0.0.7".parse().unwrap());
        let by = |peer: &str| site().client(peer.parse().unwrap(), &headers).to_string();
        assert_eq!(by("9.9.9.9"), "9.9.9.9");
        assert_eq!(by("10.0.0.1"), "2.2.2.2");
    }
}
