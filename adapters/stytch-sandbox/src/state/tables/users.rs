//! Users by id, external id, address and email id, in the order they were created.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
};

use jiff::Timestamp;

use crate::state::user::User;

#[derive(Default)]
pub(crate) struct Users {
    rows: BTreeMap<u64, User>,
    /// By `user_id` and by `external_id`, which Stytch accepts interchangeably.
    by_id: HashMap<String, u64>,
    by_address: HashMap<String, u64>,
    by_email_id: HashMap<String, u64>,
    /// Addresses to be removed unless they are authenticated, by the time of removal.
    provisional: BTreeSet<(Timestamp, u64)>,
    last: u64,
}

impl Users {
    pub(crate) fn put(&mut self, user: User) {
        let existing = self.by_id.get(&user.user_id).copied();
        let position = existing.unwrap_or(self.last + 1);
        self.last = self.last.max(position);
        if let Some(old) = self.rows.remove(&position) {
            self.unindex(&old, position);
        }
        self.by_id.insert(user.user_id.clone(), position);
        if let Some(external_id) = &user.external_id {
            self.by_id.insert(external_id.clone(), position);
        }
        for email in &user.emails {
            self.by_address.insert(email.email.clone(), position);
            self.by_email_id.insert(email.email_id.clone(), position);
            self.provisional.extend(email.provisional_until.map(|until| (until, position)));
        }
        self.rows.insert(position, user);
    }

    pub(crate) fn remove(&mut self, user_id: &str) -> Option<User> {
        let position = *self.by_id.get(user_id)?;
        let user = self.rows.remove(&position)?;
        self.unindex(&user, position);
        Some(user)
    }

    /// Returns the user of a `user_id` or `external_id`.
    pub(crate) fn get(&self, id: &str) -> Option<&User> {
        self.rows.get(self.by_id.get(id)?)
    }

    pub(crate) fn by_address(&self, address: &str) -> Option<&User> {
        self.rows.get(self.by_address.get(address)?)
    }

    pub(crate) fn by_email_id(&self, email_id: &str) -> Option<&User> {
        self.rows.get(self.by_email_id.get(email_id)?)
    }

    /// Returns a user's position in the order, which cursors hold.
    pub(crate) fn position(&self, user_id: &str) -> Option<u64> {
        self.by_id.get(user_id).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &User> {
        self.rows.values()
    }

    /// Returns the users after a position.
    pub(crate) fn after(&self, position: u64) -> impl Iterator<Item = &User> {
        self.rows.range((Bound::Excluded(position), Bound::Unbounded)).map(|(_, user)| user)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns a user with an address that was not authenticated in time.
    pub(crate) fn with_expired_email(&self, now: Timestamp) -> Option<&User> {
        let (until, position) = self.provisional.first()?;
        self.rows.get(position).filter(|_| *until <= now)
    }

    fn unindex(&mut self, user: &User, position: u64) {
        self.by_id.remove(&user.user_id);
        if let Some(external_id) = &user.external_id {
            self.by_id.remove(external_id);
        }
        for email in &user.emails {
            self.by_address.remove(&email.email);
            self.by_email_id.remove(&email.email_id);
            if let Some(until) = email.provisional_until {
                self.provisional.remove(&(until, position));
            }
        }
    }
}
