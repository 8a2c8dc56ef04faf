//! A magic link together with the mail that carried it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::session::Attributes;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Link {
    /// The mail's id.
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) to: String,
    pub(crate) kind: Kind,
    /// The destination in the application, the token appended.
    pub(crate) url: String,
    pub(crate) user_id: String,
    pub(crate) email_id: String,
    pub(crate) sent_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) fate: Fate,
    /// PKCE: the SHA-256 that the verifier must have.
    pub(crate) code_challenge: Option<String>,
    /// Who asked for it, to be compared when the link is used with `options`.
    pub(crate) attributes: Attributes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Invite,
    Login,
    Signup,
}

/// What became of a link. Whether it has expired is a question for the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    Outstanding,
    Used,
    Revoked,
}

impl Kind {
    pub(crate) fn named(name: &str) -> Option<Self> {
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
    pub(crate) fn works(&self, now: Timestamp) -> bool {
        self.fate == Fate::Outstanding && now < self.expires_at
    }
}

/// Where the browser goes: the application's URL, its own query kept, the token appended.
pub(crate) fn destination(redirect: &Url, token: &str) -> String {
    let mut url = redirect.clone();
    url.query_pairs_mut()
        .append_pair("stytch_token_type", "magic_links")
        .append_pair("token", token);
    url.into()
}

#[cfg(test)]
mod tests {
    use url::Url;

    #[test]
    fn a_destination_keeps_its_own_query_and_fragment() {
        let url = Url::parse("https://example.com/in?x=1%202#top").unwrap();
        let destination = super::destination(&url, "T-_o");
        assert_eq!(
            destination,
            "https://example.com/in?x=1%202&stytch_token_type=magic_links&token=T-_o#top"
        );
    }
}
