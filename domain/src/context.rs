//! The ports and settings that flows and jobs use, and the retry of conflicting changes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    Actor, Change, Clock, Email, Event, EventId, EventKind, IdentityProvider, Ids, Invitation,
    Store, StoreError, StoreResult, User, Verdict,
};

/// The context of a flow or job. Cheap to clone.
#[derive(Clone)]
pub struct Ctx {
    pub store: Arc<dyn Store>,
    pub provider: Arc<dyn IdentityProvider>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub policy: Arc<Policy>,
    /// The client's address; `None` for commands and workers.
    pub client: Option<IpAddr>,
}

impl std::fmt::Debug for Ctx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ctx").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// Settings that flows depend on, taken from the configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Lifetime of a session, in minutes.
    pub session_minutes: u32,
    /// Default lifetime of an invitation, in minutes.
    pub invitation_minutes: u32,
    /// Lifetime of a login link, in minutes.
    pub login_minutes: u32,
    /// The public URL of the `/authenticate` page, to which links lead.
    pub authenticate_url: String,
    pub link_carries_id: bool,
    /// Addresses that may log in as administrators without an invitation, as long as they have never
    /// been known or no active administrator is left.
    pub admin_emails: Vec<Email>,
    /// Limit of login mails per address.
    pub login_limit: Limit,
}

impl Policy {
    pub(crate) fn login_link_lifetime(&self) -> Duration {
        Duration::from_secs(u64::from(self.login_minutes) * 60)
    }
}

/// A limit of `count` requests within `per`, and of twice as many within a window 24 times as long, so
/// that a client that uses up each short window is slowed down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub count: u32,
    pub per: Duration,
}

impl Limit {
    /// Returns the number of requests allowed within [`long_window`](Self::long_window).
    pub fn long_count(self) -> u32 {
        self.count.saturating_mul(2)
    }

    /// Returns the longest time for which a request counts.
    pub fn long_window(self) -> Duration {
        self.per.saturating_mul(24)
    }
}

/// The retry of a flow that reads, decides and applies a change, until no other change interferes.
#[derive(Debug, Default)]
pub(crate) struct OptimisticRetry {
    conflicts: u32,
}

impl OptimisticRetry {
    /// The number of conflicts after which the store is reported as too busy.
    const MAX_CONFLICTS: u32 = 12;

    /// Applies a change. Returns `false` after a conflict: the flow must read and decide again.
    pub(crate) async fn apply(&mut self, ctx: &Ctx, change: Change) -> StoreResult<bool> {
        if ctx.store.apply(change).await? == Verdict::Applied {
            return Ok(true);
        }
        self.conflicts += 1;
        if self.conflicts < Self::MAX_CONFLICTS {
            return Ok(false);
        }
        Err(StoreError::Unavailable("too many changes of the same rows at once".to_owned()))
    }
}

impl Ctx {
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the context of a request from a client.
    #[must_use]
    pub fn for_client(&self, client: IpAddr) -> Self {
        Self { client: Some(client), ..self.clone() }
    }

    pub(crate) async fn latest_invitation(
        &self,
        user: Option<&User>,
    ) -> StoreResult<Option<Invitation>> {
        match user {
            Some(user) => self.store.latest_invitation(user.id).await,
            None => Ok(None),
        }
    }

    /// Creates an event that concerns no user.
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

    /// Creates an event that concerns a user.
    pub(crate) fn user_event(&self, kind: EventKind, user: &User, by: &Actor) -> Event {
        Event { user_id: Some(user.id), ..self.event(kind, by, Value::Null) }
    }

    /// Creates an event of an invitation's timeline.
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
