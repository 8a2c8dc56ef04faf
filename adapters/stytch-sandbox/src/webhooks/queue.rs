//! Webhook messages and the schedule of their deliveries.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use jiff::Timestamp;
use serde::Serialize;

/// The number of messages kept; older ones are dropped.
const MAX_MESSAGES: usize = 10_000;

/// The delay after each failed attempt; there is no attempt after the last.
const RETRY_DELAYS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
];

/// A message, as the control plane shows it.
#[derive(Clone, Serialize)]
pub(crate) struct Message {
    /// The `svix-id` header, the same in each attempt.
    pub(crate) id: String,
    pub(crate) event_type: String,
    pub(crate) user_id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) delivered: bool,
    pub(crate) attempts: Vec<DeliveryAttempt>,
    #[serde(skip)]
    pub(crate) body: Bytes,
}

/// One attempt to deliver a message.
#[derive(Clone, Serialize)]
pub(crate) struct DeliveryAttempt {
    pub(crate) at: Timestamp,
    /// The receiver's response; without one, `error` is set.
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
}

impl DeliveryAttempt {
    fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) paused: bool,
    messages: BTreeMap<u64, Message>,
    /// By time, then in the order of scheduling.
    scheduled: BTreeMap<(Instant, u64), Delivery>,
    last: u64,
}

/// A scheduled delivery.
#[derive(Clone, Copy)]
pub(crate) struct Delivery {
    message: u64,
    failures: usize,
    /// Requested through the control plane: attempted once, even while paused or after a success.
    is_manual: bool,
}

impl Queue {
    pub(crate) fn add(&mut self, message: Message, now: Instant) {
        let number = self.next_number();
        self.messages.insert(number, message);
        if self.messages.len() > MAX_MESSAGES {
            self.messages.pop_first();
        }
        self.schedule(Delivery { message: number, failures: 0, is_manual: false }, now);
    }

    /// Schedules a message to be sent again at once. Returns none if it does not exist.
    pub(crate) fn resend(&mut self, id: &str, now: Instant) -> Option<&Message> {
        let (&message, _) = self.messages.iter().find(|(_, message)| message.id == id)?;
        self.schedule(Delivery { message, failures: 0, is_manual: true }, now);
        self.messages.get(&message)
    }

    /// Takes the next delivery that is due, with the id and the body of its message.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(Delivery, String, Bytes)> {
        loop {
            let (&key, &delivery) = self.first().filter(|((at, _), _)| *at <= now)?;
            self.scheduled.remove(&key);
            let message = self.messages.get(&delivery.message);
            if let Some(message) =
                message.filter(|message| delivery.is_manual || !message.delivered)
            {
                return Some((delivery, message.id.clone(), message.body.clone()));
            }
        }
    }

    /// Returns the time of the next delivery.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.first().map(|((at, _), _)| *at)
    }

    /// Records the result of a delivery, and schedules a retry if it failed.
    pub(crate) fn finish(&mut self, delivery: Delivery, attempt: DeliveryAttempt, now: Instant) {
        let succeeded = attempt.succeeded();
        if let Some(message) = self.messages.get_mut(&delivery.message) {
            message.delivered |= succeeded;
            message.attempts.push(attempt);
        }
        let delay = RETRY_DELAYS.get(delivery.failures);
        if let Some(delay) = delay.filter(|_| !succeeded && !delivery.is_manual) {
            let retry = Delivery { failures: delivery.failures + 1, ..delivery };
            self.schedule(retry, now + *delay);
        }
    }

    /// Returns the messages, oldest first.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.values()
    }

    fn first(&self) -> Option<(&(Instant, u64), &Delivery)> {
        self.scheduled.iter().find(|(_, delivery)| delivery.is_manual || !self.paused)
    }

    fn schedule(&mut self, delivery: Delivery, at: Instant) {
        let number = self.next_number();
        self.scheduled.insert((at, number), delivery);
    }

    fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use axum::body::Bytes;
    use jiff::Timestamp;

    use super::{DeliveryAttempt, MAX_MESSAGES, Message, Queue};

    fn message(id: &str) -> Message {
        Message {
            id: id.to_owned(),
            event_type: "direct.user.create".to_owned(),
            user_id: String::new(),
            created_at: Timestamp::UNIX_EPOCH,
            delivered: false,
            attempts: Vec::new(),
            body: Bytes::new(),
        }
    }

    fn attempt(status: u16) -> DeliveryAttempt {
        DeliveryAttempt { at: Timestamp::UNIX_EPOCH, status: Some(status), error: None }
    }

    #[test]
    fn a_failed_delivery_is_retried_after_growing_delays_and_then_given_up() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        queue.add(message("a"), start);
        let (mut now, mut delays) = (start, Vec::new());
        while let Some(next) = queue.next_at() {
            delays.push(next.duration_since(now).as_secs());
            now = next;
            let early = now.checked_sub(Duration::from_nanos(1)).unwrap();
            assert!(queue.take(early).is_none());
            let (delivery, _, _) = queue.take(now).unwrap();
            queue.finish(delivery, attempt(if delays.len() == 2 { 302 } else { 500 }), now);
        }
        assert_eq!(delays, [0, 1, 5, 30, 120]);
        assert!(queue.messages().all(|message| !message.delivered && message.attempts.len() == 5));
    }

    #[test]
    fn while_paused_only_manual_deliveries_are_due() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.paused = true;
        queue.add(message("a"), now);
        queue.add(message("b"), now);
        assert!(queue.take(now).is_none() && queue.next_at().is_none());
        assert!(queue.resend("c", now).is_none());
        queue.resend("b", now).unwrap();
        let (delivery, id, _) = queue.take(now).unwrap();
        assert_eq!(id, "b");
        queue.finish(delivery, attempt(204), now);
        queue.paused = false;
        assert_eq!(queue.take(now).unwrap().1, "a");
        assert!(queue.take(now).is_none(), "the other message was delivered before");
    }

    #[test]
    fn the_oldest_messages_are_dropped() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for number in 0..=MAX_MESSAGES {
            queue.add(message(&number.to_string()), now);
        }
        assert_eq!(queue.messages().count(), MAX_MESSAGES);
        assert_eq!(queue.take(now).unwrap().1, "1");
    }
}
