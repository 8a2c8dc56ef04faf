//! The messages, and when each is to be sent: at once, later again, or when the pause is over.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use hyper::body::Bytes;
use jiff::Timestamp;
use serde::Serialize;

/// More are forgotten, the oldest first.
const MOST: usize = 10_000;

/// How long after each failure the next attempt is made; after the last there is none.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
];

/// A message as the control plane shows it.
#[derive(Clone, Serialize)]
pub(crate) struct Message {
    /// What `svix-id` says, the same each time it is sent.
    pub(crate) id: String,
    pub(crate) event_type: String,
    pub(crate) user_id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) delivered: bool,
    pub(crate) attempts: Vec<Attempt>,
    #[serde(skip)]
    pub(crate) body: Bytes,
}

/// One time that a message was sent.
#[derive(Clone, Serialize)]
pub(crate) struct Attempt {
    pub(crate) at: Timestamp,
    /// What the receiver answered, or else `error`.
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
}

impl Attempt {
    fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) paused: bool,
    messages: BTreeMap<u64, Message>,
    /// By the time, then in the order in which they were put here.
    due: BTreeMap<(Instant, u64), Due>,
    last: u64,
}

/// A sending that is to be.
#[derive(Clone, Copy)]
pub(crate) struct Due {
    message: u64,
    failures: usize,
    /// Somebody wants it sent again: once, whether paused or delivered already.
    asked: bool,
}

impl Queue {
    pub(crate) fn add(&mut self, message: Message, now: Instant) {
        let number = self.next_number();
        self.messages.insert(number, message);
        if self.messages.len() > MOST {
            self.messages.pop_first();
        }
        self.schedule(Due { message: number, failures: 0, asked: false }, now);
    }

    /// Sends one again, at once. None if there is none of that id.
    pub(crate) fn resend(&mut self, id: &str, now: Instant) -> Option<&Message> {
        let (&message, _) = self.messages.iter().find(|(_, message)| message.id == id)?;
        self.schedule(Due { message, failures: 0, asked: true }, now);
        self.messages.get(&message)
    }

    /// The next one to be sent now, its id and its body.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(Due, String, Bytes)> {
        loop {
            let (&key, &due) = self.first().filter(|((at, _), _)| *at <= now)?;
            self.due.remove(&key);
            let message = self.messages.get(&due.message);
            if let Some(message) = message.filter(|message| due.asked || !message.delivered) {
                return Some((due, message.id.clone(), message.body.clone()));
            }
        }
    }

    /// When to look again.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.first().map(|((at, _), _)| *at)
    }

    /// How a sending went; it is repeated later if it failed.
    pub(crate) fn finish(&mut self, due: Due, attempt: Attempt, now: Instant) {
        let succeeded = attempt.succeeded();
        if let Some(message) = self.messages.get_mut(&due.message) {
            message.delivered |= succeeded;
            message.attempts.push(attempt);
        }
        if let Some(pause) = PAUSES.get(due.failures).filter(|_| !succeeded && !due.asked) {
            self.schedule(Due { failures: due.failures + 1, ..due }, now + *pause);
        }
    }

    /// Oldest first.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.values()
    }

    fn first(&self) -> Option<(&(Instant, u64), &Due)> {
        self.due.iter().find(|(_, due)| due.asked || !self.paused)
    }

    fn schedule(&mut self, due: Due, at: Instant) {
        let number = self.next_number();
        self.due.insert((at, number), due);
    }

    fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use hyper::body::Bytes;
    use jiff::Timestamp;

    use super::{Attempt, MOST, Message, Queue};

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

    fn answered(status: u16) -> Attempt {
        Attempt { at: Timestamp::UNIX_EPOCH, status: Some(status), error: None }
    }

    #[test]
    fn what_fails_is_sent_again_after_growing_pauses_and_then_no_more() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        queue.add(message("a"), start);
        let (mut now, mut waits) = (start, Vec::new());
        while let Some(next) = queue.next_at() {
            waits.push(next.duration_since(now).as_secs());
            now = next;
            let early = now.checked_sub(Duration::from_nanos(1)).unwrap();
            assert!(queue.take(early).is_none());
            let (due, _, _) = queue.take(now).unwrap();
            queue.finish(due, answered(if waits.len() == 2 { 302 } else { 500 }), now);
        }
        assert_eq!(waits, [0, 1, 5, 30, 120]);
        assert!(queue.messages().all(|message| !message.delivered && message.attempts.len() == 5));
    }

    #[test]
    fn a_pause_holds_all_but_what_is_asked_for() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.paused = true;
        queue.add(message("a"), now);
        queue.add(message("b"), now);
        assert!(queue.take(now).is_none() && queue.next_at().is_none());
        assert!(queue.resend("c", now).is_none());
        queue.resend("b", now).unwrap();
        let (due, id, _) = queue.take(now).unwrap();
        assert_eq!(id, "b");
        queue.finish(due, answered(204), now);
        queue.paused = false;
        assert_eq!(queue.take(now).unwrap().1, "a");
        assert!(queue.take(now).is_none(), "the other was delivered already");
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for number in 0..=MOST {
            queue.add(message(&number.to_string()), now);
        }
        assert_eq!(queue.messages().count(), MOST);
        assert_eq!(queue.take(now).unwrap().1, "1");
    }
}
