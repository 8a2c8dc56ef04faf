//! Everything the sandbox knows, in memory, with the indexes that keep each call cheap.
//!
//! A [`Record`] is the only thing that changes it, both while running and when a journal is read
//! back, so what is remembered is what was.

mod links;
mod sessions;
mod users;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{keys::Key, link::Link, session::Session, user::User};
use links::Links;
use sessions::Sessions;
use users::Users;

/// Stytch serves a retired key for another month.
const SERVE_RETIRED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// One change; the sum of them is the state.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    /// The first of a journal.
    Project {
        format: u32,
        project_id: String,
        secret: String,
    },
    Clock {
        offset_seconds: i64,
    },
    Key(Key),
    User(User),
    /// Ends the user's sessions and links too.
    UserDeleted {
        user_id: String,
    },
    Link(Link),
    Session(Session),
    SessionEnded {
        session_id: String,
    },
}

#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) clock_offset_seconds: i64,
    pub(crate) users: Users,
    pub(crate) links: Links,
    pub(crate) sessions: Sessions,
    keys: Vec<Key>,
}

impl Tables {
    pub(crate) fn apply(&mut self, record: Record) {
        match record {
            Record::Project { .. } => {}
            Record::Clock { offset_seconds } => self.clock_offset_seconds = offset_seconds,
            Record::Key(key) => self.put_key(key),
            Record::User(user) => self.users.put(user),
            Record::UserDeleted { user_id } => self.delete_user(&user_id),
            Record::Link(link) => self.links.put(link),
            Record::Session(session) => self.sessions.put(session),
            Record::SessionEnded { session_id } => self.sessions.remove(&session_id),
        }
    }

    /// What a compacted journal holds. Sessions that are over are left out.
    pub(crate) fn records(&self, now: Timestamp) -> impl Iterator<Item = Record> {
        let clock = Record::Clock { offset_seconds: self.clock_offset_seconds };
        let sessions = self.sessions.iter().filter(move |session| session.is_live(now));
        std::iter::once(clock)
            .chain(self.keys.iter().cloned().map(Record::Key))
            .chain(self.users.iter().cloned().map(Record::User))
            .chain(self.links.iter().cloned().map(Record::Link))
            .chain(sessions.cloned().map(Record::Session))
    }

    pub(crate) fn key(&self, kid: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// The key that signs.
    pub(crate) fn current_key(&self) -> Option<&Key> {
        self.keys.iter().rev().find(|key| key.retired_at.is_none())
    }

    /// The keys whose signatures may still be met, newest first.
    pub(crate) fn served_keys(&self, now: Timestamp) -> impl Iterator<Item = &Key> {
        self.keys
            .iter()
            .rev()
            .filter(move |key| key.retired_at.is_none_or(|retired| now < retired + SERVE_RETIRED))
    }

    fn put_key(&mut self, key: Key) {
        match self.keys.iter_mut().find(|known| known.kid == key.kid) {
            Some(known) => *known = key,
            None => self.keys.push(key),
        }
    }

    fn delete_user(&mut self, user_id: &str) {
        self.sessions.remove_all_of(user_id);
        if let Some(user) = self.users.remove(user_id) {
            for email in &user.emails {
                self.links.revoke_all_of(user_id, &email.email);
            }
        }
    }
}
