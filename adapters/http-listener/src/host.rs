//! The host that a request is for.

use std::net::{IpAddr, SocketAddr};

use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::{Request, Version};
use thiserror::Error;

/// A request without exactly one valid host, which RFC 9112 (section 3.2) has answered with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidHost {
    /// HTTP/1.1 without a `Host` header.
    #[error("The Host header is missing.")]
    Missing,
    /// More than one `Host` header.
    #[error("There is more than one Host header.")]
    Repeated,
    /// Not a host with an optional port.
    #[error("The Host header is not a host with an optional port.")]
    Malformed,
}

/// Returns the host, with its port if it has one, that a request is for. None only for HTTP/1.0.
pub fn host<B>(request: &Request<B>) -> Result<Option<Authority>, InvalidHost> {
    let mut values = request.headers().get_all(HOST).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(InvalidHost::Repeated);
    }
    let named = value.map(|value| parse(value.as_bytes())).transpose()?;
    match (request.uri().authority(), named) {
        // The request line takes precedence.
        (Some(authority), Some(_)) => parse(authority.as_str().as_bytes()).map(Some),
        (None, Some(named)) => Ok(Some(named)),
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

/// The host names that a local listener answers to.
///
/// A web page can point a name of its own at this machine and then read what a listener answers
/// (DNS rebinding). The browser still sends that name as `Host`, so a listener that checks it is
/// safe. An IP address or `localhost` can't be pointed elsewhere.
#[derive(Debug, Clone)]
pub struct AllowedHosts {
    address: IpAddr,
    names: Vec<String>,
}

impl AllowedHosts {
    /// `localhost`, names below it, loopback addresses and the listener's own address; of a
    /// listener on all addresses (`0.0.0.0`, `[::]`) every IP address.
    pub fn for_listener(address: SocketAddr) -> Self {
        Self { address: address.ip().to_canonical(), names: Vec::new() }
    }

    /// Adds a host, with or without a port; every port of it is allowed.
    #[must_use]
    pub fn with_host(mut self, host: &str) -> Self {
        let host = parse(host.as_bytes()).map_or_else(|_| host.to_owned(), |a| a.host().to_owned());
        self.names.push(normalize(&host));
        self
    }

    /// Whether requests for this host are answered.
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

/// Lower case, without the dot that ends a fully qualified name.
fn normalize(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
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
    fn a_request_is_for_exactly_one_host() {
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
    fn a_local_listener_answers_to_local_names_and_to_those_it_was_given() {
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
    fn a_listener_that_others_reach_answers_to_its_addresses() {
        let hosts = AllowedHosts::for_listener(([192, 168, 0, 7], 3002).into());
        assert!(hosts.allows(&Authority::from_static("192.168.0.7:3002")));
        assert!(!hosts.allows(&Authority::from_static("192.168.0.8:3002")));
        let hosts = AllowedHosts::for_listener(([0, 0, 0, 0], 3002).into());
        assert!(hosts.allows(&Authority::from_static("192.168.0.8:3002")));
        assert!(!hosts.allows(&Authority::from_static("evil.example:3002")));
    }
}
