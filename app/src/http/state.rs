//! What every handler can reach.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use guestlist_database::SqlStore;
use guestlist_domain::{Ctx, Limit};

use super::presses::Presses;
use super::problem::Problem;
use super::seen::SeenBuffer;
use crate::site::Site;

/// The application, shared by all requests.
#[derive(Clone)]
pub struct App(Arc<Inner>);

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("site", &self.0.site).finish_non_exhaustive()
    }
}

struct Inner {
    ctx: Ctx,
    site: Site,
    store: Arc<SqlStore>,
    clients: DefaultKeyedRateLimiter<IpAddr>,
    presses: Presses,
    seen: SeenBuffer,
}

impl App {
    /// The application over its world.
    pub fn new(ctx: Ctx, site: Site, store: Arc<SqlStore>, login_limit_per_client: Limit) -> Self {
        let clients = RateLimiter::keyed(quota(login_limit_per_client));
        let (presses, seen) = (Presses::default(), SeenBuffer::default());
        Self(Arc::new(Inner { ctx, site, store, clients, presses, seen }))
    }

    /// The world of the flows.
    pub fn ctx(&self) -> &Ctx {
        &self.0.ctx
    }

    /// Where we stand.
    pub fn site(&self) -> &Site {
        &self.0.site
    }

    /// For answers kept by `Idempotency-Key`, which are no business of the domain's.
    pub fn store(&self) -> &Arc<SqlStore> {
        &self.0.store
    }

    /// Presses on Continue that are under way.
    pub fn presses(&self) -> &Presses {
        &self.0.presses
    }

    /// Uses of sessions and keys that are to be noted.
    pub fn seen(&self) -> &SeenBuffer {
        &self.0.seen
    }

    /// Counts a request for a login link against its client.
    pub fn count_login(&self, client: IpAddr) -> Result<(), Problem> {
        let checked = self.0.clients.check_key(&network(client));
        checked.map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            Problem::too_many("too_many_requests", wait)
        })
    }

    /// Forgets clients that have not called for a while.
    pub fn forget_clients(&self) {
        self.0.clients.retain_recent();
    }
}

/// One household has a whole /64 of IPv6 addresses.
fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

fn quota(limit: Limit) -> Quota {
    let burst = NonZeroU32::new(limit.count).unwrap_or(NonZeroU32::MIN);
    let each = limit.per / burst.get();
    Quota::with_period(each)
        .map_or_else(|| Quota::per_second(burst), |quota| quota.allow_burst(burst))
}
