//! Links by token and address, in the order they were sent.

use std::collections::HashMap;

use crate::state::link::{Link, LinkState};

#[derive(Default)]
pub(crate) struct Links {
    rows: Vec<Link>,
    by_token: HashMap<String, usize>,
    by_address: HashMap<String, Vec<usize>>,
}

impl Links {
    pub(crate) fn put(&mut self, link: Link) {
        if let Some(&position) = self.by_token.get(&link.token) {
            self.rows[position] = link;
            return;
        }
        let position = self.rows.len();
        self.by_token.insert(link.token.clone(), position);
        self.by_address.entry(link.to.clone()).or_default().push(position);
        self.rows.push(link);
    }

    pub(crate) fn get(&self, token: &str) -> Option<&Link> {
        self.by_token.get(token).map(|&position| &self.rows[position])
    }

    /// Returns links, oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Link> {
        self.rows.iter()
    }

    /// Returns links, oldest first.
    pub(crate) fn of_address(&self, address: &str) -> impl DoubleEndedIterator<Item = &Link> {
        let positions = self.by_address.get(address).map(Vec::as_slice).unwrap_or_default();
        positions.iter().map(|&position| &self.rows[position])
    }

    pub(crate) fn revoke_all_of(&mut self, user_id: &str, address: &str) {
        for &position in self.by_address.get(address).into_iter().flatten() {
            let link = &mut self.rows[position];
            if link.user_id == user_id {
                link.state = LinkState::Revoked;
            }
        }
    }
}
