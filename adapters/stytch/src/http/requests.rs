//! Request bodies. Fields without a value are omitted.

use guestlist_domain::{Email, Name};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct InviteRequest<'a> {
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
pub(crate) struct LoginOrCreateRequest<'a> {
    pub(crate) email: &'a str,
    pub(crate) login_magic_link_url: &'a str,
    pub(crate) signup_magic_link_url: &'a str,
    pub(crate) login_expiration_minutes: u32,
    pub(crate) signup_expiration_minutes: u32,
    pub(crate) create_user_as_pending: bool,
}

#[derive(Serialize)]
pub(crate) struct RevokeInviteRequest<'a> {
    pub(crate) email: &'a str,
}

#[derive(Serialize)]
pub(crate) struct AuthenticateLinkRequest<'a> {
    pub(crate) token: &'a str,
    pub(crate) session_duration_minutes: u32,
}

/// Omits `session_duration_minutes`, which would extend the session.
#[derive(Serialize)]
pub(crate) struct AuthenticateSessionRequest<'a> {
    pub(crate) session_token: &'a str,
}

#[derive(Serialize)]
pub(crate) struct RevokeSessionRequest<'a> {
    pub(crate) session_id: &'a str,
}

/// A search for users by address.
#[derive(Serialize)]
pub(crate) struct SearchRequest<'a> {
    limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
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
    filter_value: Vec<&'a str>,
}

impl<'a> SearchRequest<'a> {
    /// The largest page that Stytch allows.
    const LIMIT: u32 = 1000;

    pub(crate) fn by_address(emails: &'a [Email], cursor: Option<&'a str>) -> Self {
        let filter_value = emails.iter().map(Email::as_str).collect();
        let operand = Operand { filter_name: "email_address", filter_value };
        let query = Query { operator: "AND", operands: [operand] };
        Self { limit: Self::LIMIT, cursor, query }
    }
}

/// A page of the list of all users.
#[derive(Serialize)]
pub(crate) struct ListRequest<'a> {
    limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
}

impl<'a> ListRequest<'a> {
    /// The number of users who fit into the largest accepted response, each with the largest
    /// metadata.
    const LIMIT: u32 = 400;

    pub(crate) fn from(cursor: Option<&'a str>) -> Self {
        Self { limit: Self::LIMIT, cursor }
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
