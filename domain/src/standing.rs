//! How it stands with Stytch, and what waits because of that.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{HeldBy, Queue};

/// How it stands with Stytch, as one worker finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "snake_case")]
pub enum Standing {
    /// It answers.
    Ok,
    /// It does not; nothing is sent.
    Down(Trouble),
    /// It answers again; sending grows back to its full rate.
    Recovering(Trouble),
    /// It refuses our credentials or settings; nothing is sent.
    Misconfigured(Trouble),
}

/// Since when, and what was said last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// When it began.
    pub since: Timestamp,
    /// The last error's.
    pub code: String,
    /// The last error's.
    pub message: String,
}

impl Standing {
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
    pub fn trouble(&self) -> Option<&Trouble> {
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

/// What keeps jobs waiting that are due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holds {
    /// The queues that operators paused.
    pub paused: BTreeSet<Queue>,
    /// How it stands with Stytch, by the workers that are there.
    pub workers: Vec<Standing>,
    /// Until when Stytch's 429, and our own pace below its limit, let nothing start.
    pub rate_limited_until: Option<Timestamp>,
}

impl Holds {
    /// What keeps the due jobs of a queue waiting at `now`, other than their turn.
    pub fn on(&self, queue: Queue, now: Timestamp) -> Option<HeldBy> {
        if self.paused.contains(&queue) {
            return Some(HeldBy::Paused);
        }
        if !queue.calls_provider() {
            return None;
        }
        let limited = self.rate_limited_until.filter(|until| now < *until);
        self.provider().or_else(|| limited.map(|_| HeldBy::RateLimit))
    }

    /// Why no worker sends; none while one does, or while none is there.
    fn provider(&self) -> Option<HeldBy> {
        let held: Option<Vec<HeldBy>> = self.workers.iter().map(Standing::held_by).collect();
        let held = held.filter(|held| !held.is_empty())?;
        // Down heals by itself; where one worker's settings are right, the others' are not the
        // reason.
        held.iter().find(|by| **by == HeldBy::ProviderDown).or(held.first()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble() -> Trouble {
        Trouble { since: Timestamp::UNIX_EPOCH, code: "a_code".into(), message: "why".into() }
    }

    fn on_invitations(workers: Vec<Standing>) -> Option<HeldBy> {
        let holds = Holds { workers, ..Holds::default() };
        holds.on(Queue::Invitation, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn one_worker_that_sends_is_enough() {
        assert_eq!(on_invitations(vec![]), None);
        let (down, wrong) = (Standing::Down(trouble()), Standing::Misconfigured(trouble()));
        assert_eq!(on_invitations(vec![down.clone(), Standing::Ok]), None);
        assert_eq!(on_invitations(vec![Standing::Recovering(trouble()), wrong.clone()]), None);
        assert_eq!(on_invitations(vec![wrong.clone(), down]), Some(HeldBy::ProviderDown));
        assert_eq!(on_invitations(vec![wrong.clone(), wrong]), Some(HeldBy::Misconfigured));
    }

    #[test]
    fn a_pause_is_named_first_and_only_what_calls_stytch_waits_for_it() {
        let now = Timestamp::UNIX_EPOCH;
        let holds = Holds {
            paused: [Queue::Invitation].into(),
            workers: vec![Standing::Down(trouble())],
            rate_limited_until: Some(now + std::time::Duration::from_secs(1)),
        };
        assert_eq!(holds.on(Queue::Invitation, now), Some(HeldBy::Paused));
        assert_eq!(holds.on(Queue::Login, now), Some(HeldBy::ProviderDown));
        assert_eq!(holds.on(Queue::Maintenance, now), None);
        let limited = Holds { workers: vec![Standing::Ok], ..holds };
        assert_eq!(limited.on(Queue::Login, now), Some(HeldBy::RateLimit));
        assert_eq!(limited.on(Queue::Login, limited.rate_limited_until.unwrap()), None);
    }

    #[test]
    fn a_standing_survives_json() {
        for standing in [Standing::Ok, Standing::Down(trouble())] {
            let json = serde_json::to_string(&standing).unwrap();
            assert!(json.contains(standing.as_str()), "{json}");
            assert_eq!(serde_json::from_str::<Standing>(&json).unwrap(), standing);
        }
    }
}
