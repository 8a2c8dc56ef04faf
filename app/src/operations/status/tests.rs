//! One line for each way it can stand.

use std::time::Duration;

use guestlist_database::board::{Overview, Pause, QueueState, RefusedWrites, WorkerState};
use guestlist_domain::{HoldReasons, QueueName, ProviderHealth, HealthIssue};
use jiff::Timestamp;

use super::{Status, exactly};

const URL: &str = "https://guests.example.com/authenticate";

fn now() -> Timestamp {
    "2026-11-23T04:00:00Z".parse().unwrap()
}

fn trouble(code: &str) -> HealthIssue {
    let since = "2026-11-23T02:41:10Z".parse().unwrap();
    HealthIssue { since, code: code.to_owned(), message: "why".to_owned() }
}

fn down() -> ProviderHealth {
    ProviderHealth::Down(trouble("timeout"))
}

fn wrong() -> ProviderHealth {
    ProviderHealth::Misconfigured(trouble("unauthorized_credentials"))
}

fn worker(standing: ProviderHealth, silent: u64) -> WorkerState {
    WorkerState {
        id: "w".to_owned(),
        host: "h".to_owned(),
        pid: 1,
        queues: vec![],
        running: 0,
        concurrency: 50,
        started_at: now(),
        silent: Duration::from_secs(silent),
        report: standing.into(),
    }
}

/// So many due invitations, and these queues paused.
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
        reason: Some("we\nmove".to_owned()),
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

fn status(overview: &Overview) -> Status {
    Status::of(overview, URL, now())
}

#[test]
fn the_first_line_says_it_all() {
    let ok = || worker(ProviderHealth::Ok, 1);
    let back = worker(ProviderHealth::Recovering(trouble("timeout")), 1);
    for (overview, line) in [
        (overview(0, vec![ok()], &[]), "SENDING. 0 waiting."),
        (
            overview(412, vec![worker(wrong(), 1)], &[]),
            "NOT SENDING since 02:41: Stytch refused the secret. 412 held. Fix: set STYTCH_SECRET",
        ),
        (
            overview(2000, vec![worker(down(), 1), worker(wrong(), 1)], &[]),
            "NOT SENDING since 02:41: Stytch does not answer (timeout). 2,000 held. It is tried \
             again by itself; nothing is lost.",
        ),
        (
            overview(7, vec![], &[]),
            "NOT SENDING: no worker is running. 7 waiting. Fix: start guestlist-worker",
        ),
        (
            overview(7, vec![worker(ProviderHealth::Ok, 16)], &[]),
            "NOT SENDING: no worker is running. 7 waiting. Fix: start guestlist-worker",
        ),
        (
            overview(12, vec![ok()], &[QueueName::Invitation]),
            "NOT SENDING invitations since 02:41: paused by Ada (we move). 12 held. Fix: \
             guestlist queue resume invitation",
        ),
        (
            overview(12, vec![ok()], &[QueueName::Invitation, QueueName::Login]),
            "NOT SENDING since 02:41: paused by Ada (we move). 12 held. Fix: guestlist queue \
             resume login and guestlist queue resume invitation",
        ),
        (
            overview(9, vec![back], &[]),
            "RECOVERING: Stytch answers again, and sending grows back to its full rate. 9 waiting.",
        ),
        (
            overview(0, vec![ok(), worker(wrong(), 1)], &[]),
            "SENDING, but not by 1 of 2 workers: Stytch refused the secret. 0 waiting. Fix: set \
             STYTCH_SECRET",
        ),
        (
            overview(0, vec![ok()], &[QueueName::Maintenance]),
            "SENDING, but the queue maintenance is paused since 02:41 by Ada (we move). 0 \
             waiting. Fix: guestlist queue resume maintenance",
        ),
    ] {
        let told = status(&overview);
        assert_eq!(told.summary, line);
        assert_eq!(told.sending, !line.starts_with("NOT"), "{line}");
    }
}

#[test]
fn the_rate_limit_and_the_dead_are_told_while_it_sends() {
    let mut limited = overview(40, vec![worker(ProviderHealth::Ok, 1)], &[]);
    limited.holds.rate_limited_until = Some(now() + Duration::from_secs(11));
    let holds = limited.holds.clone();
    limited.queues = QueueName::ALL.iter().map(|queue| queue_state(*queue, 40, &holds)).collect();
    let line = "SENDING again in 12 s: Stytch's rate limit was reached. 40 held.";
    assert_eq!(status(&limited).summary, line);
    let mut some_dead = overview(0, vec![worker(ProviderHealth::Ok, 1)], &[]);
    some_dead.queues[1].dead = 3;
    let line = "SENDING. 0 waiting. 3 dead: see guestlist jobs list --state dead.";
    assert_eq!(status(&some_dead).summary, line);
}

#[test]
fn the_parts_agree_with_the_line() {
    let told = status(&overview(412, vec![worker(wrong(), 1)], &[]));
    assert_eq!((told.provider, told.held, told.waiting), ("misconfigured", 412, 412));
    assert_eq!((told.fix.as_deref(), told.workers), (Some("set STYTCH_SECRET"), 1));
    assert_eq!(told.since.map(|since| since.0), Some(trouble("").since));
    assert_eq!(told.error.map(|error| error.code).as_deref(), Some("unauthorized_credentials"));
    let told = status(&overview(5, vec![worker(ProviderHealth::Ok, 1)], &[]));
    assert_eq!((told.provider, told.held, told.waiting), ("ok", 0, 5));
    assert!(told.fix.is_none() && told.since.is_none() && told.error.is_none());
}

#[test]
fn what_began_on_another_day_says_which() {
    let since = "2026-11-21T02:41:10Z".parse().unwrap();
    let old = ProviderHealth::Down(HealthIssue { since, ..trouble("internal_server_error") });
    let line = status(&overview(1, vec![worker(old, 1)], &[])).summary;
    let begins =
        "NOT SENDING since 2026-11-21 02:41: Stytch fails (internal_server_error). 1 held.";
    assert!(line.starts_with(begins), "{line}");
}

#[test]
fn numbers_are_grouped_by_thousands() {
    let told: Vec<_> = [0, 999, 1000, 1_234_567].map(exactly).into();
    assert_eq!(told, ["0", "999", "1,000", "1,234,567"]);
}

/// Workers can't report either while nothing can be written, so that they seem to be gone.
#[test]
fn a_database_that_refuses_writes_is_named_before_the_workers_it_silences() {
    let since = "2026-11-23T02:41:10Z".parse().unwrap();
    let refused_writes = Some(RefusedWrites { since, reason: "disk full".to_owned() });
    let status = status(&Overview { refused_writes, ..overview(412, vec![], &[]) });
    assert_eq!(
        status.summary,
        "NOT SENDING since 02:41: the database refuses writes (disk full). 412 waiting. \
         Fix: free space on its disk, or make the server a primary again"
    );
    assert!(!status.sending);
}
