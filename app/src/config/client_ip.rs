//! The client's IP address behind trusted proxies.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;

use super::site::SiteConfig;

impl SiteConfig {
    /// Returns the client's IP address: the peer's, or, if the peer is a trusted proxy, the last
    /// `X-Forwarded-For` entry that is not a trusted proxy itself.
    pub fn client_ip(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let is_trusted = |ip: &IpAddr| self.trusted_proxies.iter().any(|net| net.contains(ip));
        let mut client = peer.to_canonical();
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let entries = entries.map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty());
        for entry in entries {
            if !is_trusted(&client) {
                break;
            }
            // Entries to the left of a malformed one are not trusted.
            let Some(ip) = parse_entry(entry) else { break };
            client = ip.to_canonical();
        }
        client
    }
}

/// Parses an entry of `X-Forwarded-For`: an address with or without a port, IPv6 with or without
/// brackets.
fn parse_entry(entry: &[u8]) -> Option<IpAddr> {
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

    use super::super::site::test_site;
    use super::*;

    fn site() -> SiteConfig {
        let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        SiteConfig { trusted_proxies, ..test_site("https://guests.example.com", None, None) }
    }

    /// The client address of a request with these `X-Forwarded-For` lines from a trusted proxy.
    fn client_ip(lines: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(line).unwrap());
        }
        site().client_ip("10.0.0.1".parse().unwrap(), &headers).to_string()
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
            assert_eq!(client_ip(&[entry.as_bytes()]), address, "{entry}");
        }
        assert_eq!(
            client_ip(&[b"1.1.1.1", b"203.0.113.9:41000", b"[::ffff:10.0.0.7]:80"]),
            "203.0.113.9"
        );
    }

    #[test]
    fn entries_left_of_a_malformed_one_are_not_trusted() {
        let malformed: [&[u8]; 9] = [
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
        for entry in malformed {
            assert_eq!(client_ip(&[b"1.1.1.1", entry, b"10.0.0.7"]), "10.0.0.7", "{entry:?}");
            assert_eq!(client_ip(&[&[b"1.1.1.1,", entry].concat()]), "10.0.0.1", "{entry:?}");
        }
    }

    #[test]
    fn only_trusted_proxies_may_forward_an_address() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "1.1.1.1, 2.2.2.2".parse().unwrap());
        headers.append("x-forwarded-for", "10.0.0.7".parse().unwrap());
        let from = |peer: &str| site().client_ip(peer.parse().unwrap(), &headers).to_string();
        assert_eq!(from("9.9.9.9"), "9.9.9.9");
        assert_eq!(from("10.0.0.1"), "2.2.2.2");
    }
}
