//! Rate limits per client, in the memory of this process.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter};
use guestlist_domain::Limit;

use crate::config::SiteConfig;

/// How many times the limit of one client a whole IPv6 /48, or a proxy, may use.
const SHARED_FACTOR: u32 = 16;

/// Longest wait for the shared budget, so that a burst of genuine logins succeeds.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// The client that a request is counted against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The request's IP address; behind trusted proxies, the one that they forward.
    pub address: IpAddr,
    /// Whether the address belongs to a proxy with an unknown number of clients behind it.
    is_proxy: bool,
}

impl Client {
    /// Returns the client of a request received from `peer`.
    ///
    /// A proxy that is missing from `TRUSTED_PROXIES` hides its clients. It is recognized by its
    /// local address and its forwarding header, and gets a higher limit, so that one of its clients
    /// can't lock out the others.
    pub fn from_request(site: &SiteConfig, peer: IpAddr, headers: &HeaderMap) -> Self {
        let address = site.client_ip(peer, headers);
        let is_trusted = site.trusted_proxies.iter().any(|network| network.contains(&address));
        let forwards = headers.contains_key("x-forwarded-for") || headers.contains_key("forwarded");
        let is_proxy = is_trusted || (forwards && is_local(address));
        Self { address, is_proxy }
    }
}

fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// A limit per client: an IPv4 address or an IPv6 /64, the usual size of a household's network. An
/// IPv6 /48, which anyone can rent, shares the limit of [`SHARED_FACTOR`] clients.
pub struct ClientLimit {
    clients: DefaultKeyedRateLimiter<IpAddr>,
    shared: DefaultKeyedRateLimiter<IpAddr>,
}

impl ClientLimit {
    pub fn new(limit: Limit) -> Self {
        Self::with_shared(limit, limit.count.saturating_mul(SHARED_FACTOR))
    }

    fn with_shared(limit: Limit, count: u32) -> Self {
        Self {
            clients: RateLimiter::keyed(quota(limit)),
            shared: RateLimiter::keyed(quota(Limit { count, ..limit })),
        }
    }

    /// Counts a request. Returns the time to wait if the client has reached its limit.
    pub fn check(&self, client: Client) -> Result<(), Duration> {
        match client.address {
            address if client.is_proxy => self.shared.check_key(&address).map_err(wait),
            IpAddr::V4(_) => self.clients.check_key(&client.address).map_err(wait),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                // The /64 is checked first, so that its refused requests don't count against the /48.
                self.clients.check_key(&[a, b, c, d, 0, 0, 0, 0].into()).map_err(wait)?;
                self.shared.check_key(&[a, b, c, 0, 0, 0, 0, 0].into()).map_err(wait)
            }
        }
    }

    /// Drops the entries of clients that are back at their full limit.
    pub fn forget_idle(&self) {
        self.clients.retain_recent();
        self.shared.retain_recent();
    }
}

/// The limit on calls to Stytch by anonymous callers, per client and in total.
pub struct ProviderBudget {
    per_client: ClientLimit,
    total: DefaultDirectRateLimiter,
}

impl ProviderBudget {
    /// Creates a budget. A /48 or a proxy gets at most half of `total`.
    pub fn new(per_client: Limit, total: Limit) -> Self {
        let periods = per_client.per.as_secs_f64() / total.per.as_secs_f64();
        let half = (f64::from(total.count) * periods / 2.0).clamp(1.0, f64::from(u32::MAX));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let shared =
            per_client.count.saturating_mul(SHARED_FACTOR).min(half as u32).max(per_client.count);
        let per_client = ClientLimit::with_shared(per_client, shared);
        Self { per_client, total: RateLimiter::direct(quota(total)) }
    }

    /// Counts a call, waiting up to 3 s for the shared budget. Returns the time to wait if it is
    /// exhausted. Requests beyond a client's own limit do not count against the total.
    pub async fn admit(&self, client: Client) -> Result<(), Duration> {
        self.per_client.check(client)?;
        let until = Instant::now() + MAX_WAIT;
        loop {
            match self.total.check().map_err(wait) {
                Err(pause) if Instant::now() + pause < until => tokio::time::sleep(pause).await,
                verified => return verified,
            }
        }
    }

    /// Drops the entries of clients that are back at their full limit.
    pub fn forget_idle(&self) {
        self.per_client.forget_idle();
    }
}

#[expect(clippy::needless_pass_by_value, reason = "passed to `map_err`")]
fn wait(not_until: NotUntil<<DefaultClock as governor::clock::Clock>::Instant>) -> Duration {
    not_until.wait_time_from(DefaultClock::default().now())
}

fn quota(limit: Limit) -> Quota {
    let burst = NonZeroU32::new(limit.count).unwrap_or(NonZeroU32::MIN);
    let each = limit.per / burst.get();
    Quota::with_period(each)
        .map_or_else(|| Quota::per_second(burst), |quota| quota.allow_burst(burst))
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: Limit = Limit { count: 3, per: Duration::from_hours(1) };

    fn client(address: &str) -> Client {
        Client { address: address.parse().unwrap(), is_proxy: false }
    }

    /// Returns how many requests are allowed, one per address.
    fn count_allowed(limit: &ClientLimit, addresses: impl Iterator<Item = String>) -> usize {
        addresses.filter(|address| limit.check(client(address)).is_ok()).count()
    }

    #[test]
    fn each_ipv4_address_and_each_ipv6_64_is_one_client() {
        let limit = ClientLimit::new(THREE);
        assert_eq!(count_allowed(&limit, (0..9).map(|_| "203.0.113.1".to_owned())), 3);
        assert_eq!(count_allowed(&limit, (0..9).map(|n| format!("2001:db8:0:1::{n}"))), 3);
        assert_eq!(count_allowed(&limit, (0..9).map(|_| "203.0.113.2".to_owned())), 3);
    }

    #[test]
    fn an_ipv6_48_shares_the_limit_of_sixteen_clients() {
        let limit = ClientLimit::new(THREE);
        assert_eq!(count_allowed(&limit, (0..100).map(|n| format!("2001:db8:0:{n:x}::1"))), 48);
        assert_eq!(count_allowed(&limit, (0..100).map(|n| format!("2001:db8:1:{n:x}::1"))), 48);
    }

    #[test]
    fn refused_requests_of_a_64_do_not_count_against_its_48() {
        let limit = ClientLimit::new(THREE);
        assert_eq!(count_allowed(&limit, (0..999).map(|_| "2001:db8::1".to_owned())), 3);
        assert_eq!(count_allowed(&limit, (1..10).map(|n| format!("2001:db8:0:{n:x}::1"))), 9);
    }

    #[tokio::test]
    async fn a_flooding_client_does_not_exhaust_the_total() {
        let budget = ProviderBudget::new(THREE, Limit { count: 10, ..THREE });
        for (address, expected) in
            [("203.0.113.1", 3), ("203.0.113.2", 3), ("203.0.113.3", 3), ("203.0.113.4", 1)]
        {
            let mut granted = 0;
            for _ in 0..100 {
                granted += usize::from(budget.admit(client(address)).await.is_ok());
            }
            assert_eq!(granted, expected, "{address}");
        }
        let wait = budget.admit(client("203.0.113.5")).await.unwrap_err();
        assert!(wait <= Duration::from_mins(6), "{wait:?}");
    }

    #[tokio::test]
    async fn simultaneous_requests_wait_for_the_shared_budget() {
        let total = Limit { count: 10, per: Duration::from_secs(1) };
        let budget = ProviderBudget::new(Limit { count: 1000, ..THREE }, total);
        for n in 0..15 {
            assert_eq!(budget.admit(client("203.0.113.1")).await, Ok(()), "{n}");
        }
    }

    #[test]
    fn a_proxy_that_hides_its_clients_has_a_higher_limit() {
        let site = |trusted: &[&str]| SiteConfig {
            public_url: "https://guests.example.com".parse().unwrap(),
            app_name: String::new(),
            app_url: None,
            app_origins: vec![],
            cookie_domain: None,
            trusted_proxies: trusted.iter().map(|network| network.parse().unwrap()).collect(),
            inbox_url: None,
            hsts_include_subdomains: false,
            stytch: crate::config::StytchProject::default(),
        };
        let mut forwarded = HeaderMap::new();
        forwarded.insert("x-forwarded-for", "198.51.100.7".parse().unwrap());
        let is_proxy = |trusted: &[&str], peer: &str, headers: &HeaderMap| {
            Client::from_request(&site(trusted), peer.parse().unwrap(), headers).is_proxy
        };
        for local in ["127.0.0.1", "10.1.2.3", "::1", "fd00::1"] {
            assert!(is_proxy(&[], local, &forwarded), "{local}");
            assert!(!is_proxy(&[], local, &HeaderMap::new()), "{local}");
        }
        assert!(!is_proxy(&[], "203.0.113.9", &forwarded), "anyone can send the header");
        assert!(!is_proxy(&["10.0.0.0/8"], "10.1.2.3", &forwarded), "the client is known");
        assert!(is_proxy(&["10.0.0.0/8"], "10.1.2.3", &HeaderMap::new()));

        let limit = ClientLimit::new(THREE);
        let proxy = Client { address: "10.1.2.3".parse().unwrap(), is_proxy: true };
        assert_eq!((0..100).filter(|_| limit.check(proxy).is_ok()).count(), 48);
    }
}
