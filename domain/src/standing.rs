//! How it stands with Stytch, and what waits because of that.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{HeldBy, QueueName};

/// How it stands with Stytch, as one worker finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "snake_case")]
pub enum ProviderHealth {
    /// It answers.
    Ok,
    /// It does not; nothing is sent.
    Down(HealthIssue),
    /// It answers again; sending grows back to its full rate.
    Recovering(HealthIssue),
    /// It refuses our credentials or settings; nothing is sent.
    Misconfigured(HealthIssue),
}

/// Since when, and what was said last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthIssue {
    /// When it began.
    pub since: Timestamp,
    /// The last error's.
    pub code: String,
    /// The last error's.
    pub message: String,
}

impl ProviderHealth {
    /// The word in the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Down(_) => "down",
            Self::Recovering(_) => "recovering",
            Self::Misconfigured(_) => "misconfigured",
        }
    }

    /// What is wrong, if something is.
    pub fn issue(&self) -> Option<&HealthIssue> {
        match self {
            Self::Ok => None,
            Self::Down(trouble) | Self::Recovering(trouble) | Self::Misconfigured(trouble) => {
                Some(trouble)
            }
        }
    }

    /// Why a worker that finds it so sends nothing.
    pub fn held_by(&self) -> Option<HeldBy> {
        match self {
            Self::Ok | Self::Recovering(_) => None,
            Self::Down(_) => Some(HeldBy::ProviderDown),
            Self::Misconfigured(_) => Some(HeldBy::Misconfigured),
        }
    }
}

/// What a worker says of itself, for everybody to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerReport {
    /// How it finds Stytch.
    #[serde(flatten)]
    pub health: ProviderHealth,
    /// Until when it sends no invitations, because Stytch takes no bulk mail of ours for a while.
    pub bulk_until: Option<Timestamp>,
}

impl From<ProviderHealth> for WorkerReport {
    fn from(health: ProviderHealth) -> Self {
        Self { health, bulk_until: None }
    }
}

impl WorkerReport {
    /// Why this worker takes no due jobs of a queue that calls Stytch.
    fn holds(&self, queue: QueueName, now: Timestamp) -> Option<HeldBy> {
        let is_bulk = queue == QueueName::Invitation;
        let limited = self.bulk_until.filter(|until| is_bulk && now < *until);
        self.health.held_by().or_else(|| limited.map(|_| HeldBy::RateLimit))
    }
}

/// What keeps jobs waiting that are due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HoldReasons {
    /// The queues that operators paused.
    pub paused: BTreeSet<QueueName>,
    /// What the workers say that are there.
    pub workers: Vec<WorkerReport>,
    /// Until when Stytch's 429 lets nothing start.
    pub rate_limited_until: Option<Timestamp>,
}

impl HoldReasons {
    /// What keeps the due jobs of a queue waiting at `now`, other than their turn.
    pub fn for_queue(&self, queue: QueueName, now: Timestamp) -> Option<HeldBy> {
        if self.paused.contains(&queue) {
            return Some(HeldBy::Paused);
        }
        if !queue.calls_provider() {
            return None;
        }
        let limited = self.rate_limited_until.filter(|until| now < *until);
        self.provider(queue, now).or_else(|| limited.map(|_| HeldBy::RateLimit))
    }

    /// Why no worker takes any; none while one does, or while none is there.
    fn provider(&self, queue: QueueName, now: Timestamp) -> Option<HeldBy> {
        let held = self.workers.iter().map(|worker| worker.holds(queue, now));
        let held = held.collect::<Option<Vec<HeldBy>>>()?;
        // What heals by itself is named before what doesn't: where one worker's settings are
        // right, the others' are not the reason.
        let rank = |by: &HeldBy| match by {
            HeldBy::RateLimit => 0,
            HeldBy::ProviderDown => 1,
            HeldBy::Misconfigured | HeldBy::Paused => 2,
        };
        held.into_iter().min_by_key(rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble() -> HealthIssue {
        HealthIssue { since: Timestamp::UNIX_EPOCH, code: "a_code".into(), message: "why".into() }
    }

    fn on_invitations(workers: Vec<ProviderHealth>) -> Option<HeldBy> {
        let workers = workers.into_iter().map(WorkerReport::from).collect();
        let holds = HoldReasons { workers, ..HoldReasons::default() };
        holds.for_queue(QueueName::Invitation, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn one_worker_that_sends_is_enough() {
        assert_eq!(on_invitations(vec![]), None);
        let (down, wrong) =
            (ProviderHealth::Down(trouble()), ProviderHealth::Misconfigured(trouble()));
        assert_eq!(on_invitations(vec![down.clone(), ProviderHealth::Ok]), None);
        assert_eq!(
            on_invitations(vec![ProviderHealth::Recovering(trouble()), wrong.clone()]),
            None
        );
        assert_eq!(on_invitations(vec![wrong.clone(), down]), Some(HeldBy::ProviderDown));
        assert_eq!(on_invitations(vec![wrong.clone(), wrong]), Some(HeldBy::Misconfigured));
    }

    #[test]
    fn a_pause_is_named_first_and_only_what_calls_stytch_waits_for_it() {
        let now = Timestamp::UNIX_EPOCH;
        let holds = HoldReasons {
            paused: [QueueName::Invitation].into(),
            workers: vec![ProviderHealth::Down(trouble()).into()],
            rate_limited_until: Some(now + std::time::Duration::from_secs(1)),
        };
        assert_eq!(holds.for_queue(QueueName::Invitation, now), Some(HeldBy::Paused));
        assert_eq!(holds.for_queue(QueueName::Login, now), Some(HeldBy::ProviderDown));
        assert_eq!(holds.for_queue(QueueName::Maintenance, now), None);
        let limited = HoldReasons { workers: vec![ProviderHealth::Ok.into()], ..holds };
        assert_eq!(limited.for_queue(QueueName::Login, now), Some(HeldBy::RateLimit));
        assert_eq!(limited.for_queue(QueueName::Login, limited.rate_limited_until.unwrap()), None);
    }

    #[test]
    fn bulk_mail_alone_waits_where_bulk_mail_is_not_taken() {
        let now = Timestamp::UNIX_EPOCH;
        let until = now + std::time::Duration::from_mins(1);
        let bulk = WorkerReport { bulk_until: Some(until), ..ProviderHealth::Ok.into() };
        let holds = HoldReasons { workers: vec![bulk.clone()], ..HoldReasons::default() };
        assert_eq!(holds.for_queue(QueueName::Invitation, now), Some(HeldBy::RateLimit));
        assert_eq!(holds.for_queue(QueueName::Login, now), None);
        assert_eq!(holds.for_queue(QueueName::Invitation, until), None);
        let other = HoldReasons {
            workers: vec![bulk, ProviderHealth::Ok.into()],
            ..HoldReasons::default()
        };
        assert_eq!(other.for_queue(QueueName::Invitation, now), None, "another worker takes it");
    }

    #[test]
    fn a_report_survives_json() {
        for standing in [ProviderHealth::Ok, ProviderHealth::Down(trouble())] {
            let report =
                WorkerReport { bulk_until: Some(Timestamp::UNIX_EPOCH), ..standing.into() };
            let json = serde_json::to_string(&report).unwrap();
            assert!(json.contains(report.health.as_str()), "{json}");
            assert_eq!(serde_json::from_str::<WorkerReport>(&json).unwrap(), report);
        }
    }
}
