//! Where Guestlist stands among its neighbours: its own address, the application's, and whom it
//! believes.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

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

    /// Parses a place to go after coming in: a path of ours, or a URL of an allowed origin. What is
    /// returned is the URL parser's serialisation, so every later reader understands it in the
    /// same way.
    pub fn return_to(&self, place: &str) -> Result<ReturnTo, &'static str> {
        const REFUSED: &str = "must be a path, or a URL of an origin in APP_ORIGINS";
        const LONGEST: usize = 2000;
        if place.len() > LONGEST || place.chars().any(char::is_control) || place.contains('\\') {
            return Err(REFUSED);
        }
        // Resolved as a browser would, so that no spelling leads elsewhere.
        let is_path = place.starts_with('/') && !place.starts_with("//");
        let url = if is_path { self.public_url.join(place) } else { Url::parse(place) };
        let url = url.map_err(|_| REFUSED)?;
        let is_http = matches!(url.scheme(), "http" | "https");
        let has_user = !url.username().is_empty() || url.password().is_some();
        let place = if is_path { &url[url::Position::BeforePath..] } else { url.as_str() };
        // `/..//host` is a path of ours, but `//host`, which remains of it, is another host.
        let is_elsewhere = !is_http || has_user || !self.is_ours(&url.origin());
        if is_elsewhere || place.starts_with("//") || place.len() > LONGEST {
            return Err(REFUSED);
        }
        Ok(ReturnTo::checked(place.to_owned()))
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
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let hops = hops.map(<[u8]>::trim_ascii).filter(|hop| !hop.is_empty());
        for hop in hops {
            if !believed(&client) {
                break;
            }
            // What stands left of an entry that can't be read is not believed.
            let Some(ip) = forwarded_address(hop) else { break };
            client = ip.to_canonical();
        }
        client
    }
}

/// The address in an entry of `X-Forwarded-For`, with or without a port; IPv6 in brackets or not.
fn forwarded_address(entry: &[u8]) -> Option<IpAddr> {
    let entry = str::from_utf8(entry).ok()?;
    if let Ok(ip) = entry.parse::<IpAddr>() {
        return Some(ip);
    }
    if let Ok(with_port) = entry.parse::<SocketAddr>() {
        return Some(with_port.ip());
    }
    let in_brackets = entry.strip_prefix('[')?.strip_suffix(']')?;
    in_brackets.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

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
    fn return_to_is_kept_as_the_url_parser_writes_it() {
        for (given, kept) in [
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
            let place = site().return_to(given);
            assert_eq!(place.as_ref().map(ReturnTo::as_str), Ok(kept), "{given}");
        }
        for bad in
            ["/..//evil.example", "/.//evil.example", "/a/..//evil.example", "/%2e//evil.example"]
        {
            assert!(site().return_to(bad).is_err(), "{bad}");
        }
        let grows = format!("/{}", "\u{fc}".repeat(900));
        assert!(site().return_to(&grows).is_err(), "longer than 2000 once it is encoded");
    }

    /// By which address a request of that `X-Forwarded-For`, through a believed proxy, is known.
    fn client_of(lines: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(line).unwrap());
        }
        site().client("10.0.0.1".parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn forwarded_addresses_may_have_ports_and_brackets() {
        for (entry, address) in [
            ("203.0.113.9", "203.0.113.9"),
            ("203.0.113.9:41000", "203.0.113.9"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:DB8::1]:41000", "2001:db8::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("[::FFFF:203.0.113.9]:41000", "203.0.113.9"),
            ("1.1.1.1, 203.0.113.9:41000 , 10.0.0.7:80", "203.0.113.9"),
            ("203.0.113.9,", "203.0.113.9"),
        ] {
            assert_eq!(client_of(&[entry.as_bytes()]), address, "{entry}");
        }
        assert_eq!(
            client_of(&[b"1.1.1.1", b"203.0.113.9:41000", b"[::ffff:10.0.0.7]:80"]),
            "203.0.113.9"
        );
    }

    #[test]
    fn what_stands_left_of_an_unreadable_entry_is_not_believed() {
        let unreadable: [&[u8]; 9] = [
            b"unknown",
            b"203.0.113.9:99999",
            b"203.0.113.9:",
            b"[203.0.113.9]",
            b"[2001:db8::1",
            b"2001:db8::1]:80",
            b"[2001:db8::1]80",
            b"\xfc",
            b"_hidden",
        ];
        for entry in unreadable {
            assert_eq!(client_of(&[b"1.1.1.1", entry, b"10.0.0.7"]), "10.0.0.7", "{entry:?}");
            assert_eq!(client_of(&[&[b"1.1.1.1,", entry].concat()]), "10.0.0.1", "{entry:?}");
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
