//! What Stytch is asked: the bodies of the calls. A field that is not set is not sent.

use guestlist_domain::{Email, Name};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct SendInvite<'a> {
    pub(crate) email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<NameParts<'a>>,
    pub(crate) invite_magic_link_url: &'a str,
    pub(crate) invite_expiration_minutes: u32,
}

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct NameParts<'a> {
    first_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<&'a str>,
}

impl<'a> From<&'a Name> for NameParts<'a> {
    fn from(name: &'a Name) -> Self {
        match name.as_str().split_once(' ') {
            Some((first_name, rest)) => Self { first_name, last_name: Some(rest.trim_start()) },
            None => Self { first_name: name.as_str(), last_name: None },
        }
    }
}

#[derive(Serialize)]
pub(crate) struct LoginOrCreate<'a> {
    pub(crate) email: &'a str,
    pub(crate) login_magic_link_url: &'a str,
    pub(crate) signup_magic_link_url: &'a str,
    pub(crate) login_expiration_minutes: u32,
    pub(crate) signup_expiration_minutes: u32,
    pub(crate) create_user_as_pending: bool,
}

#[derive(Serialize)]
pub(crate) struct RevokeInvite<'a> {
    pub(crate) email: &'a str,
}

#[derive(Serialize)]
pub(crate) struct AuthenticateLink<'a> {
    pub(crate) token: &'a str,
    pub(crate) session_duration_minutes: u32,
}

/// Without `session_duration_minutes`, which would make the session longer.
#[derive(Serialize)]
pub(crate) struct AuthenticateSession<'a> {
    pub(crate) session_token: &'a str,
}

#[derive(Serialize)]
pub(crate) struct RevokeSession<'a> {
    pub(crate) session_id: &'a str,
}

/// A search for the user of one address.
#[derive(Serialize)]
pub(crate) struct Search<'a> {
    limit: u32,
    query: Query<'a>,
}

#[derive(Serialize)]
struct Query<'a> {
    operator: &'static str,
    operands: [Operand<'a>; 1],
}

#[derive(Serialize)]
struct Operand<'a> {
    filter_name: &'static str,
    filter_value: [&'a str; 1],
}

impl<'a> Search<'a> {
    pub(crate) fn by_address(email: &'a Email) -> Self {
        let operand = Operand { filter_name: "email_address", filter_value: [email.as_str()] };
        Self { limit: 1, query: Query { operator: "AND", operands: [operand] } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_at_its_first_space() {
        for (name, first_name, last_name) in [
            ("Ada", "Ada", None),
            ("Ada Lovelace", "Ada", Some("Lovelace")),
            ("Ada  King of Lovelace", "Ada", Some("King of Lovelace")),
        ] {
            let name = Name::parse(name).unwrap().unwrap();
            assert_eq!(NameParts::from(&name), NameParts { first_name, last_name });
        }
    }
}
