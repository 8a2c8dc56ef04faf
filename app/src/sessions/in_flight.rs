//! Redemptions of links in progress in this process, one per link.
//!
//! The first request for a link leads its redemption; concurrent ones follow, and wait for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use guestlist_domain::flows::{LoggedIn, RedeemError};
use guestlist_domain::{StoreError, TokenHash};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;

pub type Redeemed = Result<LoggedIn, RedemptionError>;

/// Why a request to redeem a link gets no session: the flow refused it, or it did not get that far.
///
/// [`RedeemError`] is the error of the flow alone.
#[derive(Debug)]
pub enum RedemptionError {
    /// The flow refused the link or its holder, or failed.
    Refused(RedeemError),
    /// Too many links have been tried; the link can still be used after this time.
    TooMany(Duration),
    /// The link was authenticated, but the database has not recorded it yet. The next request gets
    /// the result.
    NotRecorded,
}

impl From<RedeemError> for RedemptionError {
    fn from(error: RedeemError) -> Self {
        Self::Refused(error)
    }
}

impl From<StoreError> for RedemptionError {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

/// How long a result that was recorded after its request was answered is kept for the next one.
const LATE_RESULT_TTL: Duration = Duration::from_mins(5);

/// Redemptions in progress, by the hash of the link's token.
#[derive(Debug, Clone, Default)]
pub struct InFlightRedemptions(Arc<Mutex<HashMap<TokenHash, Arc<Redemption>>>>);

#[derive(Debug)]
struct Redemption {
    stage: watch::Sender<Stage>,
    /// The result, if the leader's request was answered before it was recorded.
    late_result: Mutex<Option<Redeemed>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The link is being authenticated, or its result recorded.
    Running,
    /// The link is authenticated, and the database fails to record the result.
    Retrying,
    /// The result is recorded and kept for the next request.
    Kept,
    /// The next request redeems the link itself.
    Ended,
}

#[derive(Debug)]
pub enum Participant {
    /// The request redeems the link.
    Leader(Leader),
    /// Another request is redeeming it.
    Follower(Follower),
}

/// The right to redeem a link; ends the redemption when dropped.
#[derive(Debug)]
pub struct Leader(Entry);

/// A request that waits for a redemption.
#[derive(Debug)]
pub struct Follower(Entry);

#[derive(Debug, Clone)]
struct Entry {
    all: InFlightRedemptions,
    token: TokenHash,
    redemption: Arc<Redemption>,
}

impl InFlightRedemptions {
    /// Joins the redemption of a link, or starts it.
    pub fn join(&self, token: TokenHash) -> Participant {
        let mut running = self.0.lock();
        let entry = |redemption| Entry { all: self.clone(), token, redemption };
        if let Some(redemption) = running.get(&token) {
            return Participant::Follower(Follower(entry(Arc::clone(redemption))));
        }
        let stage = watch::Sender::new(Stage::Running);
        let redemption = Arc::new(Redemption { stage, late_result: Mutex::default() });
        running.insert(token, Arc::clone(&redemption));
        Participant::Leader(Leader(entry(redemption)))
    }
}

impl Entry {
    fn end(&self) {
        let mut running = self.all.0.lock();
        if running.get(&self.token).is_some_and(|current| Arc::ptr_eq(current, &self.redemption)) {
            running.remove(&self.token);
        }
        drop(running);
        self.redemption.stage.send_replace(Stage::Ended);
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Leader {
    /// Lets followers know that recording takes longer than usual.
    pub fn set_retrying(&self) {
        self.0.redemption.stage.send_replace(Stage::Retrying);
    }

    /// Keeps the result for the next request, until it is taken or expires.
    pub async fn keep(self, result: Redeemed) {
        let Redemption { stage, late_result } = &*self.0.redemption;
        *late_result.lock() = Some(result);
        stage.send_replace(Stage::Kept);
        let mut stage = stage.subscribe();
        let taken = stage.wait_for(|stage| *stage == Stage::Ended);
        if timeout(LATE_RESULT_TTL, taken).await.is_err() {
            tracing::warn!("a login was recorded late and no request came back for it");
        }
    }
}

impl Follower {
    /// Waits for the leader and takes its late result, if it left one. Returns `None` if the
    /// request must redeem the link itself, and [`RedemptionError::NotRecorded`] if the database
    /// does not recover within `recording_timeout`.
    pub async fn wait(self, recording_timeout: Duration) -> Option<Redeemed> {
        let Redemption { stage, late_result } = &*self.0.redemption;
        let mut stage = stage.subscribe();
        // Authenticating has a timeout of its own; only recording may take long.
        let next = stage.wait_for(|stage| *stage != Stage::Running).await.map(|stage| *stage);
        let is_done = |stage: &Stage| matches!(stage, Stage::Kept | Stage::Ended);
        if next.is_ok_and(|stage| stage == Stage::Retrying)
            && timeout(recording_timeout, stage.wait_for(is_done)).await.is_err()
        {
            return Some(Err(RedemptionError::NotRecorded));
        }
        let result = late_result.lock().take();
        self.0.end();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: TokenHash = TokenHash([7; 32]);
    const TIMEOUT: Duration = Duration::from_secs(4);

    fn leader(redemptions: &InFlightRedemptions) -> Leader {
        match redemptions.join(TOKEN) {
            Participant::Leader(leader) => leader,
            Participant::Follower(_) => panic!("the link is being redeemed"),
        }
    }

    fn follower(redemptions: &InFlightRedemptions) -> Follower {
        match redemptions.join(TOKEN) {
            Participant::Follower(follower) => follower,
            Participant::Leader(_) => panic!("the link is not being redeemed"),
        }
    }

    #[tokio::test]
    async fn a_follower_waits_for_the_leader_and_no_entry_remains() {
        let redemptions = InFlightRedemptions::default();
        let leader = leader(&redemptions);
        let follower = follower(&redemptions);
        let second = tokio::spawn(async { follower.wait(TIMEOUT).await.is_none() });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(leader);
        assert!(second.await.unwrap(), "it redeems the link itself");
        assert!(redemptions.0.lock().is_empty());
    }

    #[tokio::test]
    async fn a_late_result_is_given_to_one_follower() {
        let redemptions = InFlightRedemptions::default();
        let leader = leader(&redemptions);
        leader.set_retrying();
        let keeping = tokio::spawn(leader.keep(Err(RedeemError::NotInvited.into())));
        let (one, other) = (follower(&redemptions), follower(&redemptions));
        let (one, other) = tokio::join!(one.wait(TIMEOUT), other.wait(TIMEOUT));
        assert_eq!([one, other].into_iter().flatten().count(), 1);
        keeping.await.unwrap();
        assert!(redemptions.0.lock().is_empty());
    }
}
