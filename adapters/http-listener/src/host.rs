//! The host and the origin of a request.

use std::net::{IpAddr, SocketAddr};

use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method, Request, Version};
use thiserror::Error;

/// A request does not have exactly one valid host. RFC 9112, section 3.2, requires a response of 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidHost {
    /// The request is HTTP/1.1 and has no `Host` header.
    #[error("The Host header is missing.")]
    Missing,
    /// The request has more than one `Host` header.
    #[error("There is more than one Host header.")]
    Repeated,
    /// The `Host` header is not a host with an optional port.
    #[error("The Host header is not a host with an optional port.")]
    Malformed,
}

/// Returns the host of a request, with its port if there is one. Only HTTP/1.0 requests may have none.
///
/// # Errors
///
/// Returns an error if the host is missing, repeated or malformed. Respond to it with 400.
pub fn host<B>(request: &Request<B>) -> Result<Option<Authority>, InvalidHost> {
    let mut values = request.headers().get_all(HOST).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(InvalidHost::Repeated);
    }
    let header = value.map(|value| parse(value.as_bytes())).transpose()?;
    match (request.uri().authority(), header) {
        // The request line takes precedence.
        (Some(authority), Some(_)) => parse(authority.as_str().as_bytes()).map(Some),
        (None, Some(host)) => Ok(Some(host)),
        (authority, None) if request.version() < Version::HTTP_11 => Ok(authority.cloned()),
        (_, None) => Err(InvalidHost::Missing),
    }
}

fn parse(value: &[u8]) -> Result<Authority, InvalidHost> {
    let authority = Authority::try_from(value).map_err(|_| InvalidHost::Malformed)?;
    let port = authority.as_str().strip_prefix(authority.host());
    let is_port = |port: &str| {
        port.is_empty()
            || port.strip_prefix(':').is_some_and(|n| n.is_empty() || n.parse::<u16>().is_ok())
    };
    if authority.host().is_empty() || !port.is_some_and(is_port) {
        return Err(InvalidHost::Malformed);
    }
    Ok(authority)
}

/// The hosts that a local listener accepts.
///
/// The owner of a web page can point a name of theirs at this machine, so that the page can read
/// responses of a listener (DNS rebinding). The browser still sends that name as `Host`, so checking
/// it protects the listener. IP addresses and `localhost` can't be redirected.
#[derive(Debug, Clone)]
pub struct AllowedHosts {
    address: IpAddr,
    names: Vec<String>,
}

impl AllowedHosts {
    /// Allows `localhost`, its subdomains, loopback addresses and the listener's address. For a
    /// listener on all addresses (`0.0.0.0`, `[::]`), allows every IP address.
    pub fn for_listener(address: SocketAddr) -> Self {
        Self { address: address.ip().to_canonical(), names: Vec::new() }
    }

    /// Adds a host. A port is ignored: every port of the host is allowed.
    #[must_use]
    pub fn with_host(mut self, host: &str) -> Self {
        let host = parse(host.as_bytes()).map_or_else(|_| host.to_owned(), |a| a.host().to_owned());
        self.names.push(normalize(&host));
        self
    }

    /// Returns whether a host is allowed.
    pub fn allows(&self, authority: &Authority) -> bool {
        let host = normalize(authority.host());
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            let address = address.to_canonical();
            return address.is_loopback()
                || self.address.is_unspecified()
                || self.address == address
                || self.names.contains(&host);
        }
        host == "localhost" || host.ends_with(".localhost") || self.names.contains(&host)
    }
}

/// Converts to lower case and removes the trailing dot of a fully qualified name.
fn normalize(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Returns whether a request may change something and was made by a page of another origin. Browsers
/// send `Sec-Fetch-Site`, older ones `Origin`; other clients send neither.
pub fn is_cross_origin(method: &Method, headers: &HeaderMap, host: Option<&Authority>) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE) {
        return false;
    }
    let mut sites = headers.get_all("sec-fetch-site").iter();
    let is_foreign_site = sites.any(|site| site != "same-origin" && site != "none");
    let origins = headers.get_all("origin").iter();
    let is_same_origin = |origin: &str| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.zip(host).is_some_and(|(given, host)| host.as_str().eq_ignore_ascii_case(given))
    };
    let is_foreign_origin = origins.map(|o| o.to_str()).any(|o| !o.is_ok_and(is_same_origin));
    is_foreign_site || is_foreign_origin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(version: Version, uri: &str, hosts: &[&str]) -> Request<()> {
        let mut request = Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn a_request_must_have_exactly_one_valid_host() {
        let host_of = |version, uri, hosts: &[&str]| host(&request(version, uri, hosts));
        let some = |text: &'static str| Ok(Some(Authority::from_static(text)));
        let (one, old) = (Version::HTTP_11, Version::HTTP_10);
        for valid in ["localhost", "localhost:3002", "[::1]:3002", "127.0.0.1:80", "example.com."] {
            assert_eq!(host_of(one, "/", &[valid]), some(valid));
        }
        assert_eq!(host_of(one, "/", &[]), Err(InvalidHost::Missing));
        assert_eq!(host_of(old, "/", &[]), Ok(None));
        for version in [one, old] {
            let twice = host_of(version, "/", &["localhost", "localhost"]);
            assert_eq!(twice, Err(InvalidHost::Repeated));
        }
        for malformed in ["", "a b", "user@localhost", "localhost:99999", "localhost:x", "a/b"] {
            let read = host_of(one, "/", &[malformed]);
            assert_eq!(read, Err(InvalidHost::Malformed), "{malformed}");
        }
        let named = host_of(one, "http://evil.example/", &["localhost"]);
        assert_eq!(named, some("evil.example"));
    }

    #[test]
    fn a_loopback_listener_allows_local_and_added_hosts() {
        let hosts =
            AllowedHosts::for_listener(([127, 0, 0, 1], 3002).into()).with_host("inbox.test:80");
        let allows = |host: &'static str| hosts.allows(&Authority::from_static(host));
        for host in ["localhost", "LOCALHOST.:1", "127.0.0.1:3002", "[::1]", "a.localhost:3002"] {
            assert!(allows(host), "{host}");
        }
        assert!(allows("inbox.test") && allows("Inbox.Test:3002"));
        for host in ["evil.example", "localhost.evil.example", "notlocalhost", "192.168.0.7"] {
            assert!(!allows(host), "{host}");
        }
    }

    #[test]
    fn a_public_listener_allows_its_addresses() {
        let hosts = AllowedHosts::for_listener(([192, 168, 0, 7], 3002).into());
        assert!(hosts.allows(&Authority::from_static("192.168.0.7:3002")));
        assert!(!hosts.allows(&Authority::from_static("192.168.0.8:3002")));
        let hosts = AllowedHosts::for_listener(([0, 0, 0, 0], 3002).into());
        assert!(hosts.allows(&Authority::from_static("192.168.0.8:3002")));
        assert!(!hosts.allows(&Authority::from_static("evil.example:3002")));
    }

    #[test]
    fn only_unsafe_requests_of_other_origins_are_cross_origin() {
        let host = Authority::from_static("localhost:3002");
        let is_cross = |method: Method, pairs: &[(&'static str, &'static str)]| {
            let pairs =
                pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            is_cross_origin(&method, &pairs.collect(), Some(&host))
        };
        let post = |pairs: &[(&'static str, &'static str)]| is_cross(Method::POST, pairs);
        assert!(!post(&[]));
        assert!(!post(&[("origin", "http://localhost:3002"), ("sec-fetch-site", "same-origin")]));
        assert!(!post(&[("origin", "http://LOCALHOST:3002")]));
        assert!(!post(&[("sec-fetch-site", "none"), ("sec-fetch-mode", "cors")]));
        for origin in ["http://evil.example", "null", "http://localhost:3000", "", "localhost:3002"]
        {
            assert!(post(&[("origin", origin)]), "{origin}");
        }
        for site in ["cross-site", "same-site", "nonsense"] {
            assert!(post(&[("sec-fetch-site", site)]), "{site}");
            assert!(is_cross(Method::DELETE, &[("sec-fetch-site", site)]), "{site}");
            assert!(!is_cross(Method::GET, &[("sec-fetch-site", site)]), "{site}");
        }
    }
}
