//! Sessions by id, token and user. Revoked ones are removed; expired ones may remain.

use std::collections::HashMap;

use crate::state::session::Session;

#[derive(Default)]
pub(crate) struct Sessions {
    rows: HashMap<String, Session>,
    by_token: HashMap<String, String>,
    by_user: HashMap<String, Vec<String>>,
}

impl Sessions {
    pub(crate) fn put(&mut self, session: Session) {
        let id = session.session_id.clone();
        if !self.rows.contains_key(&id) {
            self.by_token.insert(session.token.clone(), id.clone());
            self.by_user.entry(session.user_id.clone()).or_default().push(id.clone());
        }
        self.rows.insert(id, session);
    }

    pub(crate) fn remove(&mut self, session_id: &str) {
        let Some(session) = self.rows.remove(session_id) else { return };
        self.by_token.remove(&session.token);
        if let Some(ids) = self.by_user.get_mut(&session.user_id) {
            ids.retain(|id| id != session_id);
        }
    }

    pub(crate) fn remove_all_of(&mut self, user_id: &str) {
        for id in self.by_user.remove(user_id).unwrap_or_default() {
            self.remove(&id);
        }
    }

    pub(crate) fn get(&self, session_id: &str) -> Option<&Session> {
        self.rows.get(session_id)
    }

    pub(crate) fn by_token(&self, token: &str) -> Option<&Session> {
        self.rows.get(self.by_token.get(token)?)
    }

    /// Returns a user's sessions, oldest first.
    pub(crate) fn of_user(&self, user_id: &str) -> impl Iterator<Item = &Session> {
        self.by_user.get(user_id).into_iter().flatten().filter_map(|id| self.rows.get(id))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.rows.values()
    }
}
