//! The figures below the status: large numbers with their course in the last hour.

use guestlist_database::operations::{Activity, Minute, Overview, QueueState, QueueWaits};
use guestlist_domain::QueueName;
use jiff::Timestamp;

use super::chart::{Point, Spark};
use super::components::{dash, length, seconds, whole};
use super::points::{done_points, sum_of_minutes, to_f64, wait_points};
use crate::operations::{Status, group_thousands};

/// The number of minutes whose share of failed attempts is shown as the current one.
const RECENT_MINUTES: usize = 5;

/// A number in large, with its course or a remark.
pub struct Figure {
    pub name: &'static str,
    pub value: String,
    pub chart: Option<Spark>,
    pub remark: &'static str,
}

/// Returns the figures: while mail is sent, how well; otherwise, what waits.
pub fn figures(
    status: &Status,
    overview: &Overview,
    activity: &Activity,
    waits: &[QueueWaits],
    now: Timestamp,
) -> Vec<Figure> {
    let sent = sum_of_minutes(activity, QueueName::is_mail);
    let sent = done_points(&sent, status.sent_per_minute);
    let sent = Figure {
        name: "Sent per minute",
        value: group_thousands(status.sent_per_minute),
        chart: Some(Spark::new("Mails sent per minute", &sent, whole)),
        remark: "",
    };
    if status.sending {
        let invitations = wait_figure("Invitations wait (p95)", QueueName::Invitation, waits, now);
        let logins = wait_figure("Login links wait (p95)", QueueName::Login, waits, now);
        return vec![sent, invitations, logins, failed_attempts(activity)];
    }
    let oldest = overview.queues.iter().filter_map(|queue| queue.oldest_ready).max();
    let logins = overview.queues.iter().find(|queue| queue.queue == QueueName::Login);
    let remark = "logged-in people are not affected";
    vec![
        sent,
        plain("Waiting", group_thousands(status.held.max(status.waiting)), ""),
        plain("Oldest", oldest.map_or(dash(), length), ""),
        plain(
            "Login links waiting",
            group_thousands(logins.map_or(0, QueueState::waiting)),
            remark,
        ),
    ]
}

fn plain(name: &'static str, value: String, remark: &'static str) -> Figure {
    Figure { name, value, chart: None, remark }
}

fn wait_figure(
    name: &'static str,
    queue: QueueName,
    waits: &[QueueWaits],
    now: Timestamp,
) -> Figure {
    let found = waits.iter().find(|waits| waits.queue == queue);
    let points = found.map(|waits| wait_points(waits, now)).unwrap_or_default();
    Figure {
        name,
        value: found.and_then(|waits| waits.recent).map_or(dash(), length),
        chart: Some(Spark::new(name, &points, seconds)),
        remark: "",
    }
}

/// The share of attempts that failed, of jobs that call Stytch.
fn failed_attempts(activity: &Activity) -> Figure {
    let minutes = sum_of_minutes(activity, QueueName::calls_provider);
    let share = |done: u64, failed: u64| {
        (done + failed > 0).then(|| 100.0 * to_f64(failed) / to_f64(done + failed))
    };
    let point = |minute: &Minute| Point {
        at: minute.at,
        value: share(minute.done, minute.failed),
        has_failures: false,
    };
    let points: Vec<_> = minutes.iter().map(point).collect();
    let recent = minutes.iter().rev().take(RECENT_MINUTES);
    let (done, failed) =
        recent.fold((0, 0), |(done, failed), m| (done + m.done, failed + m.failed));
    let percent = |share: f64| format!("{share:.1} %");
    Figure {
        name: "Attempts failed",
        value: share(done, failed).map_or(dash(), percent),
        chart: Some(Spark::new("Share of attempts at Stytch that failed", &points, percent)),
        remark: "",
    }
}
