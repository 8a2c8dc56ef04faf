//! Links by token and address, in the order they were mailed.

use std::collections::HashMap;

use crate::link::{Fate, Link};

#[derive(Default)]
pub(crate) struct Links {
    rows: Vec<Link>,
    by_token: HashMap<String, usize>,
    by_address: HashMap<String, Vec<usize>>,
}

impl Links {
    pub(crate) fn put(&mut self, link: Link) {
        if let Some(&place) = self.by_token.get(&link.token) {
            self.rows[place] = link;
            return;
        }
        let place = self.rows.len();
        self.by_token.insert(link.token.clone(), place);
        self.by_address.entry(link.to.clone()).or_default().push(place);
        self.rows.push(link);
    }

    pub(crate) fn get(&self, token: &str) -> Option<&Link> {
        self.by_token.get(token).map(|&place| &self.rows[place])
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Link> {
        self.rows.iter()
    }

    /// Oldest first.
    pub(crate) fn of_address(&self, address: &str) -> impl DoubleEndedIterator<Item = &Link> {
        let places = self.by_address.get(address).map(Vec::as_slice).unwrap_or_default();
        places.iter().map(|&place| &self.rows[place])
    }

    pub(crate) fn revoke_all_of(&mut self, user_id: &str, address: &str) {
        for &place in self.by_address.get(address).into_iter().flatten() {
            let link = &mut self.rows[place];
            if link.user_id == user_id {
                link.fate = Fate::Revoked;
            }
        }
    }
}
