//! Magic links, each with the mail that carried it, and their table.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::state::Attributes;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Link {
    /// The id of the mail.
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) to: String,
    pub(crate) kind: LinkKind,
    /// The URL in the application, with the token appended.
    pub(crate) url: String,
    pub(crate) user_id: String,
    pub(crate) email_id: String,
    pub(crate) sent_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) state: LinkState,
    /// PKCE: the SHA-256 of the code verifier.
    pub(crate) code_challenge: Option<String>,
    /// The device that requested the link, for requests that require the same one.
    pub(crate) attributes: Attributes,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(crate) enum LinkKind {
    Invite,
    Login,
    Signup,
}

/// The state of a link. Expiry is no state: it depends on the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LinkState {
    Outstanding,
    Used,
    Revoked,
}

impl Link {
    pub(crate) fn is_usable(&self, now: Timestamp) -> bool {
        self.state == LinkState::Outstanding && now < self.expires_at
    }

    /// Returns a redirect URL with the token appended to its query.
    pub(crate) fn destination(redirect_url: &Url, token: &str) -> String {
        let mut url = redirect_url.clone();
        url.query_pairs_mut()
            .append_pair("stytch_token_type", "magic_links")
            .append_pair("token", token);
        url.into()
    }
}

/// Links by token and address, in the order they were sent.
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

#[cfg(test)]
mod tests {
    use url::Url;

    use super::Link;

    #[test]
    fn a_destination_keeps_the_query_and_the_fragment_of_its_redirect_url() {
        let url = Url::parse("https://example.com/in?x=1%202#top").unwrap();
        let destination = Link::destination(&url, "T-_o");
        assert_eq!(
            destination,
            "https://example.com/in?x=1%202&stytch_token_type=magic_links&token=T-_o#top"
        );
    }
}
