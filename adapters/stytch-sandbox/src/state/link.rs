//! Magic links, each with the mail that carried it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::state::session::Attributes;

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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

impl LinkKind {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Invite, Self::Login, Self::Signup].into_iter().find(|kind| kind.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Login => "login",
            Self::Signup => "signup",
        }
    }
}

impl Link {
    pub(crate) fn is_usable(&self, now: Timestamp) -> bool {
        self.state == LinkState::Outstanding && now < self.expires_at
    }
}

/// Returns a redirect URL with the token appended to its query.
pub(crate) fn destination(redirect_url: &Url, token: &str) -> String {
    let mut url = redirect_url.clone();
    url.query_pairs_mut()
        .append_pair("stytch_token_type", "magic_links")
        .append_pair("token", token);
    url.into()
}

#[cfg(test)]
mod tests {
    use url::Url;

    #[test]
    fn a_destination_keeps_the_query_and_the_fragment_of_its_redirect_url() {
        let url = Url::parse("https://example.com/in?x=1%202#top").unwrap();
        let destination = super::destination(&url, "T-_o");
        assert_eq!(
            destination,
            "https://example.com/in?x=1%202&stytch_token_type=magic_links&token=T-_o#top"
        );
    }
}
