//! The status report: whether mail is being sent, and if not, why and what to do.

use guestlist_database::operations::{Activity, Overview, QueueState};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::diagnosis::Diagnosis;
use super::jobs::ErrorView;
use crate::openapi::schemas::{self, Time};

/// Whether mail is being sent, and if not, why and what to do.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = schemas::all_required)]
pub struct Status<'a> {
    /// One line: whether mail is being sent, since when not and why, how many jobs wait, and the
    /// fix.
    pub summary: String,
    /// Whether invitations and login links are being sent.
    pub sending: bool,
    /// The same in parts, for the page.
    #[serde(skip)]
    pub diagnosis: Diagnosis,
    /// Stytch's health: `ok`, `down`, `recovering` or `misconfigured`.
    pub provider: &'static str,
    /// When the current problem began; null if there is none.
    pub since: Option<Time>,
    /// Stytch's latest error; null if there is no problem with Stytch.
    pub error: Option<ErrorView<'a>>,
    /// What to do; null if nothing needs to be done.
    pub fix: Option<String>,
    /// Due and scheduled jobs in queues that are held back. While no worker runs, all that have not
    /// ended.
    pub held: u64,
    /// Jobs for Stytch that have not started, or whose worker is gone.
    pub waiting: u64,
    /// Jobs that a worker is running.
    pub running: u64,
    /// Jobs that failed for good and have not been dismissed.
    pub dead: u64,
    /// How long the oldest due job has been waiting; null if none is due.
    pub oldest_ready_age_seconds: Option<u64>,
    /// Invitations and login links sent in the last minute.
    pub sent_per_minute: u64,
    /// How long it takes to send the invitations and login links that wait, at that rate; null if
    /// none are being sent.
    pub seconds_until_empty: Option<u64>,
    /// Queues paused by an operator.
    pub paused: Vec<schemas::Queue>,
    /// Number of live workers.
    pub workers: usize,
}

impl<'a> Status<'a> {
    /// Creates the report. `authenticate_url` is the redirect URL to register at Stytch, for the
    /// fix to name.
    pub fn new(
        overview: &'a Overview,
        activity: &Activity,
        authenticate_url: &str,
        now: Timestamp,
    ) -> Self {
        let mut diagnosis = Diagnosis::new(overview, authenticate_url, now);
        let queues = || overview.queues.iter();
        let is_mail_retried = queues().any(|queue| queue.queue.is_mail() && queue.retrying > 0);
        if diagnosis.headline.is_plain() && is_mail_retried && activity.is_mail_failing() {
            diagnosis = Diagnosis::failing();
        }
        let workers = overview.live_workers().count();
        // Without a worker, jobs that are marked as running wait to be started again.
        let unstarted =
            |queue: &QueueState| queue.waiting() + if workers == 0 { queue.running } else { 0 };
        let is_held = |queue: &&QueueState| queue.held_by.is_some() || workers == 0;
        let held: u64 = queues().filter(is_held).map(unstarted).sum();
        let for_provider = queues().filter(|queue| queue.queue.calls_provider());
        let waiting = for_provider.map(unstarted).sum();
        let mails = queues().filter(|queue| queue.queue.is_mail()).map(unstarted).sum();
        let retrying = queues().map(|queue| queue.retrying).sum();
        let dead = queues().map(|queue| queue.dead).sum();
        let health = overview.provider_health();
        let issue = health.issue();
        let error = |code, message| ErrorView { code, message };
        let sent_per_minute = activity.sent_per_minute(now);
        // While jobs are held, the rate of the last minute says nothing about the next.
        let rate = Some(sent_per_minute).filter(|_| diagnosis.sending && held == 0);
        Self {
            summary: diagnosis.summary(held, waiting, retrying, dead),
            sending: diagnosis.sending,
            provider: health.as_str(),
            since: diagnosis.since.or(issue.map(|issue| issue.since)).map(Time),
            error: issue.map(|issue| error(&issue.code, &issue.message)),
            fix: diagnosis.fix.clone(),
            held,
            waiting,
            running: if workers == 0 { 0 } else { queues().map(|queue| queue.running).sum() },
            dead,
            oldest_ready_age_seconds: queues()
                .filter_map(|queue| queue.oldest_ready)
                .max()
                .map(|age| age.as_secs()),
            sent_per_minute,
            seconds_until_empty: rate.and_then(|rate| seconds_until_empty(mails, rate)),
            paused: overview.holds.paused.iter().map(|queue| (*queue).into()).collect(),
            workers,
            diagnosis,
        }
    }
}

fn seconds_until_empty(mails: u64, per_minute: u64) -> Option<u64> {
    match (mails, per_minute) {
        (0, _) => Some(0),
        (_, 0) => None,
        (mails, rate) => Some((mails * 60).div_ceil(rate)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use guestlist_database::operations::{
        Activity, Minute, Overview, Pause, Quantiles, QueueActivity, QueueState, RefusedWrites,
        WorkerState,
    };
    use guestlist_domain::{HealthIssue, HoldReasons, ProviderHealth, QueueName};
    use jiff::Timestamp;

    use super::Status;

    const URL: &str = "https://guests.example.com/authenticate";

    fn now() -> Timestamp {
        "2026-11-23T04:00:00Z".parse().unwrap()
    }

    fn issue(code: &str) -> HealthIssue {
        let since = "2026-11-23T02:41:10Z".parse().unwrap();
        HealthIssue { since, code: code.to_owned(), message: "why".to_owned() }
    }

    fn down() -> ProviderHealth {
        ProviderHealth::Down(issue("timeout"))
    }

    fn misconfigured() -> ProviderHealth {
        ProviderHealth::Misconfigured(issue("unauthorized_credentials"))
    }

    fn worker(health: ProviderHealth, silent: u64) -> WorkerState {
        WorkerState {
            id: "w".to_owned(),
            host: "h".to_owned(),
            pid: 1,
            queues: vec![],
            running: 0,
            concurrency: 50,
            started_at: now(),
            report_age: Duration::from_secs(silent),
            report: health.into(),
        }
    }

    /// An overview with `due` invitations and these queues paused.
    fn overview(due: u64, workers: Vec<WorkerState>, paused: &[QueueName]) -> Overview {
        let live = workers.iter().filter(|worker| worker.is_live());
        let holds = HoldReasons {
            paused: paused.iter().copied().collect(),
            workers: live.map(|worker| worker.report.clone()).collect(),
            rate_limited_until: None,
        };
        let queues = QueueName::ALL.iter().map(|queue| queue_state(*queue, due, &holds));
        Overview { queues: queues.collect(), holds, workers, refused_writes: None }
    }

    fn queue_state(queue: QueueName, due: u64, holds: &HoldReasons) -> QueueState {
        let held_by = holds.for_queue(queue, now());
        let due = if queue == QueueName::Invitation { due } else { 0 };
        let (ready, held) = if held_by.is_some() { (0, due) } else { (due, 0) };
        let pause = Pause {
            at: "2026-11-23T02:41:10Z".parse().unwrap(),
            by: Some("Ada".to_owned()),
            reason: Some("database\nmove".to_owned()),
        };
        QueueState {
            queue,
            scheduled: 0,
            ready,
            held,
            running: 0,
            retrying: 0,
            dead: 0,
            oldest_ready: None,
            pause: holds.paused.contains(&queue).then_some(pause),
            held_by,
        }
    }

    fn status(overview: &Overview) -> Status<'_> {
        Status::new(overview, &Activity(vec![]), URL, now())
    }

    /// Activity with this number of invitations sent in the current minute.
    fn sent(done: u64) -> Activity {
        let quantiles = Quantiles::default();
        let minute = |at, done| Minute { at, done, failed: 0 };
        let minutes = vec![minute(now() - Duration::from_mins(1), 0), minute(now(), done)];
        let queue = QueueName::Invitation;
        Activity(vec![QueueActivity { queue, wait: quantiles, run: quantiles, minutes }])
    }

    #[test]
    fn the_rate_says_when_the_queue_is_empty() {
        let until_empty = |due, done, health| {
            let overview = overview(due, vec![worker(health, 1)], &[]);
            let activity = sent(done);
            let status = Status::new(&overview, &activity, URL, now());
            (status.sent_per_minute, status.seconds_until_empty)
        };
        assert_eq!(until_empty(4_928, 5_880, ProviderHealth::Ok), (5_880, Some(51)));
        assert_eq!(until_empty(0, 0, ProviderHealth::Ok), (0, Some(0)));
        assert_eq!(until_empty(9, 0, ProviderHealth::Ok), (0, None));
        assert_eq!(until_empty(9, 60, down()), (60, None), "nothing is sent now");
    }

    #[test]
    fn attempts_that_all_fail_are_reported_before_an_outage_is_noticed() {
        let summary = |done, failed, retrying| {
            let mut overview = overview(1, vec![worker(ProviderHealth::Ok, 1)], &[]);
            overview.queues[1].retrying = retrying;
            let mut activity = sent(done);
            for queue in &mut activity.0 {
                if let Some(current) = queue.minutes.last_mut().filter(|_| queue.queue.is_mail()) {
                    current.failed = failed;
                }
            }
            Status::new(&overview, &activity, URL, now()).summary
        };
        let failing = summary(0, 1, 1);
        assert!(failing.starts_with("SENDING, but the latest attempts failed. "), "{failing}");
        for (done, failed, retrying) in [(1, 1, 1), (0, 1, 0), (0, 0, 1)] {
            let ordinary = summary(done, failed, retrying);
            assert!(ordinary.starts_with("SENDING. "), "{ordinary}");
        }
    }

    #[test]
    fn jobs_of_a_killed_worker_wait() {
        let mut overview = overview(7, vec![worker(ProviderHealth::Ok, 600)], &[]);
        overview.queues[1].running = 50;
        let status = status(&overview);
        assert!(status.summary.contains("no worker is running. 57 waiting."), "{}", status.summary);
        assert_eq!((status.held, status.waiting, status.running), (57, 57, 0));
    }

    #[test]
    fn a_lost_worker_is_named_until_another_replaces_it() {
        let lost = WorkerState {
            started_at: now() - Duration::from_hours(2),
            ..worker(ProviderHealth::Ok, 180)
        };
        let live = WorkerState { started_at: lost.started_at, ..worker(ProviderHealth::Ok, 1) };
        let one_lost = overview(0, vec![live.clone(), lost.clone()], &[]);
        assert_eq!(
            status(&one_lost).summary,
            "SENDING, but 1 of 2 workers has not responded since 03:57. 0 waiting. Fix: start \
             guestlist-worker on h again"
        );
        assert!(status(&one_lost).sending);
        let replaced = WorkerState { started_at: now() - Duration::from_mins(1), ..live };
        let replaced = overview(0, vec![replaced, lost], &[]);
        assert_eq!(status(&replaced).summary, "SENDING. 0 waiting.");
    }

    #[test]
    fn the_summary_names_the_problem_and_the_fix() {
        let ok = || worker(ProviderHealth::Ok, 1);
        let recovering = worker(ProviderHealth::Recovering(issue("timeout")), 1);
        for (overview, line) in [
            (overview(0, vec![ok()], &[]), "SENDING. 0 waiting."),
            (
                overview(412, vec![worker(misconfigured(), 1)], &[]),
                "NOT SENDING since 02:41: Stytch refused the secret. 412 held. Fix: set STYTCH_SECRET",
            ),
            (
                overview(2000, vec![worker(down(), 1), worker(misconfigured(), 1)], &[]),
                "NOT SENDING since 02:41: Stytch does not respond (timeout). 2,000 held. Retrying \
                 automatically; nothing is lost.",
            ),
            (
                overview(7, vec![], &[]),
                "NOT SENDING: no worker is running. 7 waiting. Fix: start guestlist-worker",
            ),
            (
                overview(7, vec![worker(ProviderHealth::Ok, 11)], &[]),
                "NOT SENDING: no worker is running. 7 waiting. Fix: start guestlist-worker",
            ),
            (
                overview(12, vec![ok()], &[QueueName::Invitation]),
                "NOT SENDING invitations since 02:41: paused by Ada (database move). 12 held. Fix: \
                 guestlist queue resume invitation",
            ),
            (
                overview(12, vec![ok()], &[QueueName::Invitation, QueueName::Login]),
                "NOT SENDING since 02:41: paused by Ada (database move). 12 held. Fix: guestlist queue \
                 resume login and guestlist queue resume invitation",
            ),
            (
                overview(9, vec![recovering], &[]),
                "RECOVERING: Stytch responds again, and the sending rate is increasing. 9 waiting.",
            ),
            (
                overview(0, vec![ok(), worker(misconfigured(), 1)], &[]),
                "SENDING, except 1 of 2 workers: Stytch refused the secret. 0 waiting. Fix: set \
                 STYTCH_SECRET",
            ),
            (
                overview(0, vec![ok()], &[QueueName::Maintenance]),
                "SENDING, but the maintenance queue has been paused since 02:41 by Ada (database \
                 move). 0 waiting. Fix: guestlist queue resume maintenance",
            ),
        ] {
            let status = status(&overview);
            assert_eq!(status.summary, line);
            assert_eq!(status.sending, !line.starts_with("NOT"), "{line}");
        }
    }

    #[test]
    fn rate_limits_and_dead_jobs_are_mentioned_while_sending() {
        let mut limited = overview(40, vec![worker(ProviderHealth::Ok, 1)], &[]);
        limited.holds.rate_limited_until = Some(now() + Duration::from_secs(11));
        let holds = limited.holds.clone();
        limited.queues =
            QueueName::ALL.iter().map(|queue| queue_state(*queue, 40, &holds)).collect();
        let line = "SENDING again in 12 s: Stytch's rate limit was reached. 40 held.";
        assert_eq!(status(&limited).summary, line);
        let mut some_dead = overview(0, vec![worker(ProviderHealth::Ok, 1)], &[]);
        some_dead.queues[1].dead = 3;
        let line = "SENDING. 0 waiting. 3 dead: see guestlist jobs list --state dead.";
        assert_eq!(status(&some_dead).summary, line);
    }

    #[test]
    fn the_fields_agree_with_the_summary() {
        let refused = overview(412, vec![worker(misconfigured(), 1)], &[]);
        let refused = status(&refused);
        assert_eq!((refused.provider, refused.held, refused.waiting), ("misconfigured", 412, 412));
        assert_eq!((refused.fix.as_deref(), refused.workers), (Some("set STYTCH_SECRET"), 1));
        assert_eq!(refused.since.map(|since| since.0), Some(issue("").since));
        assert_eq!(refused.error.map(|error| error.code), Some("unauthorized_credentials"));
        let ok = overview(5, vec![worker(ProviderHealth::Ok, 1)], &[]);
        let ok = status(&ok);
        assert_eq!((ok.provider, ok.held, ok.waiting), ("ok", 0, 5));
        assert!(ok.fix.is_none() && ok.since.is_none() && ok.error.is_none());
    }

    #[test]
    fn a_problem_from_another_day_has_its_date() {
        let since = "2026-11-21T02:41:10Z".parse().unwrap();
        let old = ProviderHealth::Down(HealthIssue { since, ..issue("internal_server_error") });
        let line = status(&overview(1, vec![worker(old, 1)], &[])).summary;
        let start =
            "NOT SENDING since 2026-11-21 02:41: Stytch fails (internal_server_error). 1 held.";
        assert!(line.starts_with(start), "{line}");
    }

    /// Heartbeats are writes too, so a read-only database makes workers look dead.
    #[test]
    fn a_read_only_database_takes_precedence_over_missing_workers() {
        let since = "2026-11-23T02:41:10Z".parse().unwrap();
        let refused_writes = Some(RefusedWrites { since, reason: "disk full".to_owned() });
        let overview = Overview { refused_writes, ..overview(412, vec![], &[]) };
        let status = status(&overview);
        assert_eq!(
            status.summary,
            "NOT SENDING since 02:41: the database refuses writes (disk full). 412 waiting. \
             Fix: free disk space, make the server the primary again, or end the program that locks the \
             file"
        );
        assert!(!status.sending);
    }
}
