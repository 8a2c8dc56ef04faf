//! Users by id, external id, address and email id, in the order they were made.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
};

use jiff::Timestamp;

use crate::user::User;

#[derive(Default)]
pub(crate) struct Users {
    rows: BTreeMap<u64, User>,
    /// Both `user_id` and `external_id`, as Stytch takes either for the other.
    by_id: HashMap<String, u64>,
    by_address: HashMap<String, u64>,
    by_email_id: HashMap<String, u64>,
    /// Addresses on trial, by the end of it.
    on_trial: BTreeSet<(Timestamp, u64)>,
    last: u64,
}

impl Users {
    pub(crate) fn put(&mut self, user: User) {
        let known = self.by_id.get(&user.user_id).copied();
        let place = known.unwrap_or(self.last + 1);
        self.last = self.last.max(place);
        if let Some(before) = self.rows.remove(&place) {
            self.forget(&before, place);
        }
        self.by_id.insert(user.user_id.clone(), place);
        if let Some(external_id) = &user.external_id {
            self.by_id.insert(external_id.clone(), place);
        }
        for email in &user.emails {
            self.by_address.insert(email.email.clone(), place);
            self.by_email_id.insert(email.email_id.clone(), place);
            self.on_trial.extend(email.keep_until.map(|until| (until, place)));
        }
        self.rows.insert(place, user);
    }

    pub(crate) fn remove(&mut self, user_id: &str) -> Option<User> {
        let place = *self.by_id.get(user_id)?;
        let user = self.rows.remove(&place)?;
        self.forget(&user, place);
        Some(user)
    }

    /// By `user_id` or `external_id`.
    pub(crate) fn get(&self, id: &str) -> Option<&User> {
        self.rows.get(self.by_id.get(id)?)
    }

    pub(crate) fn by_address(&self, address: &str) -> Option<&User> {
        self.rows.get(self.by_address.get(address)?)
    }

    pub(crate) fn by_email_id(&self, email_id: &str) -> Option<&User> {
        self.rows.get(self.by_email_id.get(email_id)?)
    }

    /// A user's place in the order, for the cursor of a search.
    pub(crate) fn place(&self, user_id: &str) -> Option<u64> {
        self.by_id.get(user_id).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &User> {
        self.rows.values()
    }

    /// The users after a place.
    pub(crate) fn after(&self, place: u64) -> impl Iterator<Item = &User> {
        self.rows.range((Bound::Excluded(place), Bound::Unbounded)).map(|(_, user)| user)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Somebody who has an address whose trial is over.
    pub(crate) fn with_lapsed_address(&self, now: Timestamp) -> Option<&User> {
        let (until, place) = self.on_trial.first()?;
        self.rows.get(place).filter(|_| *until <= now)
    }

    fn forget(&mut self, user: &User, place: u64) {
        self.by_id.remove(&user.user_id);
        if let Some(external_id) = &user.external_id {
            self.by_id.remove(external_id);
        }
        for email in &user.emails {
            self.by_address.remove(&email.email);
            self.by_email_id.remove(&email.email_id);
            if let Some(until) = email.keep_until {
                self.on_trial.remove(&(until, place));
            }
        }
    }
}
