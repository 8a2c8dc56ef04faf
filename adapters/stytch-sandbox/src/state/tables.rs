//! The data in memory, with indexes.
//!
//! It changes only by applying a [`Record`], both while running and when the state file is read, so
//! a restart restores the same data.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::keys::Key;
use super::link::{Link, Links};
use super::session::{Session, Sessions};
use super::user::{User, Users};

/// The time for which a retired key is still published.
const RETIRED_KEY_TIME: SignedDuration = SignedDuration::from_hours(30 * 24);

/// One change of the data.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    /// The first record of a state file.
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
    /// Also ends the user's sessions and revokes their links.
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

    /// Returns records that restore the data, without expired sessions.
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

    /// Returns the key that signs.
    pub(crate) fn current_key(&self) -> Option<&Key> {
        self.keys.iter().rev().find(|key| key.retired_at.is_none())
    }

    /// Returns the keys that unexpired JWTs may be signed with, newest first.
    pub(crate) fn published_keys(&self, now: Timestamp) -> impl Iterator<Item = &Key> {
        self.keys.iter().rev().filter(move |key| {
            key.retired_at.is_none_or(|retired| now < retired + RETIRED_KEY_TIME)
        })
    }

    fn put_key(&mut self, key: Key) {
        match self.keys.iter_mut().find(|old| old.kid == key.kid) {
            Some(old) => *old = key,
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
