//! The points of charts.

use std::time::Duration;

use guestlist_database::operations::{Activity, Minute, QueueWaits};
use guestlist_domain::QueueName;
use jiff::Timestamp;

use super::chart::Point;

/// Adds up the minutes of the queues that match.
pub fn sum_of_minutes(activity: &Activity, is_included: fn(QueueName) -> bool) -> Vec<Minute> {
    let mut sums: Vec<Minute> = Vec::new();
    for queue in activity.0.iter().filter(|activity| is_included(activity.queue)) {
        for (index, minute) in queue.minutes.iter().enumerate() {
            match sums.get_mut(index) {
                Some(sum) => {
                    sum.done += minute.done;
                    sum.failed += minute.failed;
                }
                None => sums.push(*minute),
            }
        }
    }
    sums
}

/// Returns points of jobs done per minute. The current minute is not over, so the last point is
/// the current rate.
pub fn done_points(minutes: &[Minute], current: u64) -> Vec<Point> {
    let last = minutes.len().saturating_sub(1);
    let value = |index, done| if index == last { current } else { done };
    let point = |(index, minute): (usize, &Minute)| Point {
        at: minute.at,
        value: Some(to_f64(value(index, minute.done))),
        has_failures: minute.failed > 0,
    };
    minutes.iter().enumerate().map(point).collect()
}

pub fn wait_points(waits: &QueueWaits, now: Timestamp) -> Vec<Point> {
    let length = waits.minutes.len();
    let at = |index: usize| {
        let minutes = u32::try_from(length.saturating_sub(1 + index)).unwrap_or(0);
        now - Duration::from_mins(1) * minutes
    };
    let point = |(index, wait): (usize, &Option<Duration>)| Point {
        at: at(index),
        value: wait.map(|wait| wait.as_secs_f64()),
        has_failures: false,
    };
    waits.minutes.iter().enumerate().map(point).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a chart needs no more than 52 bits")]
pub fn to_f64(count: u64) -> f64 {
    count as f64
}
