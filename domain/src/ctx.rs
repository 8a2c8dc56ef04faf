//! The world as flows see it: the ports and the rules of the house, in one bundle.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    Actor, Change, Clock, Email, Event, EventId, EventKind, IdentityProvider, Ids, Invitation, Job,
    JobId, NewJob, Store, StoreError, User, Verdict,
};

/// What every flow gets. Cheap to clone.
#[derive(Clone)]
pub struct Ctx {
    /// Keeps everything.
    pub store: Arc<dyn Store>,
    /// Sends and vouches.
    pub provider: Arc<dyn IdentityProvider>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<dyn Ids>,
    /// The rules of the house.
    pub policy: Arc<Policy>,
    /// Where whoever asks calls from; none for commands and workers.
    pub client: Option<IpAddr>,
}

impl std::fmt::Debug for Ctx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ctx").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// The rules of the house, from the configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How long a session lasts, in minutes.
    pub session_minutes: u32,
    /// How long an invitation lasts unless its inviter says otherwise, in minutes.
    pub invitation_minutes: u32,
    /// How long a login link works, in minutes.
    pub login_minutes: u32,
    /// Where links lead: our `/authenticate`, as people's browsers manageable it.
    pub authenticate_url: String,
    /// Whether links name their invitation.
    pub link_carries_id: bool,
    /// Addresses that log in without an invitation, as administrators, while they were never known
    /// here or no active administrator is left.
    pub admin_emails: Vec<Email>,
    /// How many login mails one address may ask for.
    pub login_limit: Limit,
}

impl Policy {
    /// How long a login link works.
    pub(crate) fn login_link_lifetime(&self) -> Duration {
        Duration::from_secs(u64::from(self.login_minutes) * 60)
    }
}

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
}

impl Limit {
    /// How many in the [longest](Self::longest) window: an address that uses up every window is slowed.
    pub fn most(self) -> u32 {
        self.count.saturating_mul(2)
    }

    /// How long askings count.
    pub fn longest(self) -> Duration {
        self.per.saturating_mul(24)
    }
}

/// The retry of a flow that reads, decides and applies until nothing has moved in between.
#[derive(Debug, Default)]
pub(crate) struct OptimisticRetry(u32);

impl OptimisticRetry {
    /// How many before the store is called too busy.
    const MOST: u32 = 12;

    /// Applies a change; false when something has moved meanwhile: read and decide again.
    pub(crate) async fn apply(&mut self, ctx: &Ctx, change: Change) -> Result<bool, StoreError> {
        if ctx.store.apply(change).await? == Verdict::Applied {
            return Ok(true);
        }
        self.0 += 1;
        if self.0 < Self::MOST {
            return Ok(false);
        }
        Err(StoreError::Unavailable("too many changes of the same rows at once".to_owned()))
    }
}

impl Ctx {
    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The same world, asked from there.
    #[must_use]
    pub fn for_client(&self, client: IpAddr) -> Self {
        Self { client: Some(client), ..self.clone() }
    }

    /// A job that runs as soon as it can.
    pub(crate) fn new_job<J: Job>(&self, args: Value, unique_key: Option<String>) -> NewJob {
        let now = self.now();
        NewJob {
            id: JobId(self.ids.next()),
            queue: J::QUEUE,
            kind: J::KIND,
            args,
            priority: J::QUEUE.priority(),
            run_at: now,
            max_attempts: J::RETRY.attempts,
            unique_key,
            created_at: now,
        }
    }

    /// Something that happened to nobody in particular.
    pub(crate) fn event(&self, kind: EventKind, by: &Actor, detail: Value) -> Event {
        Event {
            id: EventId(self.ids.next()),
            kind,
            at: self.now(),
            actor: by.clone(),
            from_ip: self.client.filter(|_| *by != Actor::System),
            user_id: None,
            invitation_id: None,
            detail,
        }
    }

    /// Something that happened to a user.
    pub(crate) fn user_event(&self, kind: EventKind, user: &User, by: &Actor) -> Event {
        Event { user_id: Some(user.id), ..self.event(kind, by, Value::Null) }
    }

    /// Something that happened to an invitation.
    pub(crate) fn invitation_event(
        &self,
        kind: EventKind,
        invitation: &Invitation,
        by: &Actor,
        detail: Value,
    ) -> Event {
        Event {
            user_id: Some(invitation.user_id),
            invitation_id: Some(invitation.id),
            ..self.event(kind, by, detail)
        }
    }
}
