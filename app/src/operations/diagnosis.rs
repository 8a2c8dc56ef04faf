//! Finds the most important fact about sending mail, and words it for operators.

use guestlist_database::operations::{Overview, WorkerState};
use guestlist_domain::{HeldBy, ProviderHealth, QueueName};
use guestlist_worker::remediation;
use jiff::{SignedDuration, Timestamp};

/// Seconds of waiting for Stytch's rate limit that still count as sending.
const SHORT_RATE_LIMIT: i64 = 60;

/// The most important fact about sending mail.
pub struct Diagnosis {
    /// For example `NOT SENDING since 02:41: Stytch refused the secret`.
    headline: String,
    pub sending: bool,
    /// Whether nothing is sent because an operator has paused it.
    pub is_paused: bool,
    /// Whether the summary gives the number of held jobs, not of waiting ones.
    counts_held: bool,
    pub since: Option<Timestamp>,
    /// A sentence that follows the headline and the number of jobs.
    note: Option<&'static str>,
    pub fix: Option<String>,
}

impl Diagnosis {
    /// Checks for problems, the most severe first.
    pub fn new(overview: &Overview, authenticate_url: &str, now: Timestamp) -> Self {
        let live = overview.live_workers().collect();
        let checks = Checks { overview, live, authenticate_url, now };
        checks
            .read_only_database()
            .or_else(|| checks.no_worker())
            .or_else(|| checks.all_workers_blocked())
            .or_else(|| checks.mail_paused())
            .or_else(|| checks.some_workers_blocked())
            .or_else(|| checks.recovering())
            .or_else(|| checks.rate_limited())
            .or_else(|| checks.other_queue_paused())
            .unwrap_or_else(|| Self::sending("SENDING"))
    }

    fn sending(headline: impl Into<String>) -> Self {
        Self {
            headline: headline.into(),
            sending: true,
            is_paused: false,
            counts_held: false,
            since: None,
            note: None,
            fix: None,
        }
    }

    fn not_sending(since: Timestamp, headline: String) -> Self {
        let since = Some(since);
        Self { sending: false, counts_held: true, since, ..Self::sending(headline) }
    }

    /// Returns the one-line summary.
    pub fn summary(&self, held: u64, waiting: u64, retrying: u64, dead: u64) -> String {
        let (held, waiting) = (group_thousands(held), group_thousands(waiting));
        let count = if self.counts_held {
            format!("{held} held")
        } else if retrying == 0 {
            format!("{waiting} waiting")
        } else {
            format!("{waiting} waiting, {} of them to be retried", group_thousands(retrying))
        };
        let mut parts = vec![format!("{}. {count}.", self.headline)];
        parts.extend(self.note.map(ToOwned::to_owned));
        if self.sending && dead > 0 {
            let dead = group_thousands(dead);
            parts.push(format!("{dead} dead: see guestlist jobs list --state dead."));
        }
        parts.extend(self.fix.as_ref().map(|fix| format!("Fix: {fix}")));
        parts.join(" ")
    }
}

/// The checks for problems.
struct Checks<'a> {
    overview: &'a Overview,
    live: Vec<&'a WorkerState>,
    authenticate_url: &'a str,
    now: Timestamp,
}

impl Checks<'_> {
    /// The database refuses writes. This precedes the checks of workers, whose heartbeats are
    /// writes too.
    fn read_only_database(&self) -> Option<Diagnosis> {
        let refused = self.overview.refused_writes.as_ref()?;
        let since = self.time(refused.since);
        let headline =
            format!("NOT SENDING since {since}: the database refuses writes ({})", refused.reason);
        let fix = "free disk space, make the server the primary again, or end the program that \
                   locks the file"
            .to_owned();
        let diagnosis = Diagnosis::not_sending(refused.since, headline);
        Some(Diagnosis { counts_held: false, fix: Some(fix), ..diagnosis })
    }

    fn no_worker(&self) -> Option<Diagnosis> {
        let diagnosis = Diagnosis {
            sending: false,
            fix: Some("start guestlist-worker".to_owned()),
            ..Diagnosis::sending("NOT SENDING: no worker is running")
        };
        self.live.is_empty().then_some(diagnosis)
    }

    /// Stytch is down or misconfigured for every worker.
    fn all_workers_blocked(&self) -> Option<Diagnosis> {
        if self.live.iter().any(|worker| worker.report.health.held_by().is_none()) {
            return None;
        }
        let health = self.overview.provider_health();
        let issue = health.issue()?;
        let (problem, fix) = self.explain(health)?;
        let headline = format!("NOT SENDING since {}: {problem}", self.time(issue.since));
        let note = fix.is_none().then_some("Retrying automatically; nothing is lost.");
        Some(Diagnosis { note, fix, ..Diagnosis::not_sending(issue.since, headline) })
    }

    /// An operator paused invitations, login links or both.
    fn mail_paused(&self) -> Option<Diagnosis> {
        let queues = [(QueueName::Login, " login links"), (QueueName::Invitation, " invitations")];
        let paused = queues.iter().filter_map(|(queue, what)| Some((self.pause(*queue)?, *what)));
        let paused: Vec<_> = paused.collect();
        let ((_, at, paused_by), what) = paused.iter().min_by_key(|((_, at, _), _)| *at)?;
        let what = if paused.len() == queues.len() { "" } else { what };
        let headline = format!("NOT SENDING{what} since {}: paused {paused_by}", self.time(*at));
        let resume = |queue: &QueueName| format!("guestlist queue resume {queue}");
        let resume = paused.iter().map(|((queue, ..), _)| resume(queue));
        let fix = Some(resume.collect::<Vec<_>>().join(" and "));
        Some(Diagnosis { fix, is_paused: true, ..Diagnosis::not_sending(*at, headline) })
    }

    /// Stytch is down or misconfigured for some workers.
    fn some_workers_blocked(&self) -> Option<Diagnosis> {
        let blocked = self.live.iter().filter(|worker| worker.report.health.held_by().is_some());
        let (problem, fix) = self.explain(self.overview.provider_health())?;
        let headline = format!(
            "SENDING, except {} of {} workers: {problem}",
            blocked.count(),
            self.live.len()
        );
        Some(Diagnosis { fix, ..Diagnosis::sending(headline) })
    }

    fn recovering(&self) -> Option<Diagnosis> {
        let headline = "RECOVERING: Stytch responds again, and the sending rate is increasing";
        let is_recovering =
            matches!(self.overview.provider_health(), ProviderHealth::Recovering(_));
        is_recovering.then(|| Diagnosis::sending(headline))
    }

    fn rate_limited(&self) -> Option<Diagnosis> {
        let queues = &self.overview.queues;
        queues.iter().find(|queue| queue.held_by == Some(HeldBy::RateLimit))?;
        let seconds_until = |time: Timestamp| time.duration_since(self.now).as_secs() + 1;
        let held = |headline| Diagnosis { counts_held: true, ..Diagnosis::sending(headline) };
        let limited_until = self.overview.holds.rate_limited_until;
        if let Some(until) = limited_until.filter(|until| self.now < *until) {
            let seconds = seconds_until(until);
            let headline = format!("SENDING again in {seconds} s: Stytch's rate limit was reached");
            return Some(Diagnosis { sending: seconds <= SHORT_RATE_LIMIT, ..held(headline) });
        }
        let bulk_until = self.live.iter().filter_map(|worker| worker.report.bulk_until).max()?;
        let headline = format!(
            "SENDING login links only, invitations again in {} s: Stytch limits invitations \
             because too few of them lead to a login",
            seconds_until(bulk_until)
        );
        Some(held(headline))
    }

    fn other_queue_paused(&self) -> Option<Diagnosis> {
        let (queue, at, paused_by) = QueueName::ALL.iter().find_map(|queue| self.pause(*queue))?;
        let since = self.time(at);
        let headline =
            format!("SENDING, but the {queue} queue has been paused since {since} {paused_by}");
        let fix = Some(format!("guestlist queue resume {queue}"));
        Some(Diagnosis { fix, since: Some(at), ..Diagnosis::sending(headline) })
    }

    /// Returns a queue's pause: its time, by whom, and why, in words.
    fn pause(&self, queue: QueueName) -> Option<(QueueName, Timestamp, String)> {
        let state = self.overview.queues.iter().find(|state| state.queue == queue)?;
        let pause = state.pause.as_ref()?;
        let by = pause.by.as_deref().unwrap_or("an unknown operator");
        let one_line = |reason: &str| reason.split_whitespace().collect::<Vec<_>>().join(" ");
        let reason = pause.reason.as_deref().map(one_line);
        let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
        Some((queue, pause.at, format!("by {by}{reason}")))
    }

    /// Returns why a worker does not send, and the fix.
    fn explain(&self, health: &ProviderHealth) -> Option<(String, Option<String>)> {
        match health {
            ProviderHealth::Ok | ProviderHealth::Recovering(_) => None,
            ProviderHealth::Down(issue) => Some((outage(&issue.code), None)),
            ProviderHealth::Misconfigured(issue) => {
                let remedy = remediation(issue, self.authenticate_url);
                Some((remedy.problem, Some(remedy.fix)))
            }
        }
    }

    /// Formats a time of day in UTC, with the date unless it is recent.
    fn time(&self, at: Timestamp) -> String {
        let is_recent = self.now.duration_since(at) < SignedDuration::from_hours(20);
        at.strftime(if is_recent { "%H:%M" } else { "%Y-%m-%d %H:%M" }).to_string()
    }
}

fn outage(code: &str) -> String {
    match code {
        "timeout" | "connect" | "reset" => format!("Stytch does not respond ({code})"),
        code => format!("Stytch fails ({code})"),
    }
}

/// Formats a number with its thousands separated: `1,234,567`.
pub fn group_thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::group_thousands;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let grouped = [0, 999, 1000, 1_234_567].map(group_thousands);
        assert_eq!(grouped, ["0", "999", "1,000", "1,234,567"]);
    }
}
