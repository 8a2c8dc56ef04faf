//! The provider's health as workers observe it, and what holds due jobs back.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{HeldBy, QueueName};

/// The provider's health, as one worker observes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "snake_case")]
pub enum ProviderHealth {
    Ok,
    /// The provider does not answer. Nothing is sent.
    Down(HealthIssue),
    /// The provider answers again. The rate is increasing to its normal value.
    Recovering(HealthIssue),
    /// The provider rejects the credentials or settings. Nothing is sent.
    Misconfigured(HealthIssue),
}

/// The start of a problem and the last error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthIssue {
    pub since: Timestamp,
    pub code: String,
    pub message: String,
}

impl ProviderHealth {
    /// Returns the text used by the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Down(_) => "down",
            Self::Recovering(_) => "recovering",
            Self::Misconfigured(_) => "misconfigured",
        }
    }

    pub fn issue(&self) -> Option<&HealthIssue> {
        match self {
            Self::Ok => None,
            Self::Down(issue) | Self::Recovering(issue) | Self::Misconfigured(issue) => Some(issue),
        }
    }

    /// Returns why the worker sends nothing; `None` if it sends.
    pub fn held_by(&self) -> Option<HeldBy> {
        match self {
            Self::Ok | Self::Recovering(_) => None,
            Self::Down(_) => Some(HeldBy::ProviderDown),
            Self::Misconfigured(_) => Some(HeldBy::Misconfigured),
        }
    }
}

/// A worker's report about itself, stored where other processes can read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerReport {
    #[serde(flatten)]
    pub health: ProviderHealth,
    /// The end of a period in which the provider accepts no bulk mail, so that no invitations are sent.
    pub bulk_until: Option<Timestamp>,
}

impl From<ProviderHealth> for WorkerReport {
    fn from(health: ProviderHealth) -> Self {
        Self { health, bulk_until: None }
    }
}

impl WorkerReport {
    /// Returns why this worker claims no due jobs of a queue that calls the provider.
    fn held_by(&self, queue: QueueName, now: Timestamp) -> Option<HeldBy> {
        let is_bulk = queue == QueueName::Invitation;
        let limited = self.bulk_until.filter(|until| is_bulk && now < *until);
        self.health.held_by().or_else(|| limited.map(|_| HeldBy::RateLimit))
    }
}

/// The facts that decide whether due jobs are held back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HoldReasons {
    pub paused: BTreeSet<QueueName>,
    pub workers: Vec<WorkerReport>,
    /// The end of a pause of all provider calls after a 429 response.
    pub rate_limited_until: Option<Timestamp>,
}

impl HoldReasons {
    /// Returns what holds back the due jobs of a queue at `now`.
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

    /// Returns why no worker claims jobs of the queue; `None` if one does, or if there are no workers.
    fn provider(&self, queue: QueueName, now: Timestamp) -> Option<HeldBy> {
        let held = self.workers.iter().map(|worker| worker.held_by(queue, now));
        let held = held.collect::<Option<Vec<HeldBy>>>()?;
        // A temporary cause takes precedence: if the settings of one worker are correct, those of the
        // others are not what holds the queue back.
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

    fn issue() -> HealthIssue {
        HealthIssue { since: Timestamp::UNIX_EPOCH, code: "a_code".into(), message: "why".into() }
    }

    fn held_invitations(workers: Vec<ProviderHealth>) -> Option<HeldBy> {
        let workers = workers.into_iter().map(WorkerReport::from).collect();
        let holds = HoldReasons { workers, ..HoldReasons::default() };
        holds.for_queue(QueueName::Invitation, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn one_sending_worker_is_enough() {
        assert_eq!(held_invitations(vec![]), None);
        let (down, wrong) = (ProviderHealth::Down(issue()), ProviderHealth::Misconfigured(issue()));
        assert_eq!(held_invitations(vec![down.clone(), ProviderHealth::Ok]), None);
        assert_eq!(
            held_invitations(vec![ProviderHealth::Recovering(issue()), wrong.clone()]),
            None
        );
        assert_eq!(held_invitations(vec![wrong.clone(), down]), Some(HeldBy::ProviderDown));
        assert_eq!(held_invitations(vec![wrong.clone(), wrong]), Some(HeldBy::Misconfigured));
    }

    #[test]
    fn a_pause_takes_precedence_and_other_queues_do_not_wait_for_the_provider() {
        let now = Timestamp::UNIX_EPOCH;
        let holds = HoldReasons {
            paused: [QueueName::Invitation].into(),
            workers: vec![ProviderHealth::Down(issue()).into()],
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
    fn a_bulk_limit_holds_invitations_only() {
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
        assert_eq!(other.for_queue(QueueName::Invitation, now), None, "another worker sends");
    }

    #[test]
    fn a_report_round_trips_through_json() {
        for health in [ProviderHealth::Ok, ProviderHealth::Down(issue())] {
            let report = WorkerReport { bulk_until: Some(Timestamp::UNIX_EPOCH), ..health.into() };
            let json = serde_json::to_string(&report).unwrap();
            assert!(json.contains(report.health.as_str()), "{json}");
            assert_eq!(serde_json::from_str::<WorkerReport>(&json).unwrap(), report);
        }
    }
}
