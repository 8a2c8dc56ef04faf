//! What the calls that send mail have in common.

use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

use crate::{
    clock, ids,
    link::{self, Fate, Kind, Link},
    refusal::Refusal,
    session::Attributes,
    store::Store,
    tables::Record,
    user::{Email, User},
};

pub(crate) const HOUR: i64 = 60;
pub(crate) const WEEK: i64 = 10_080;

/// How a link is to be: checked before anything is changed.
pub(crate) struct Letter {
    pub(crate) kind: Kind,
    pub(crate) redirect: Url,
    pub(crate) minutes: i64,
    pub(crate) code_challenge: Option<String>,
    pub(crate) attributes: Attributes,
}

impl Letter {
    /// Puts it in the inbox.
    pub(crate) fn send(self, store: &mut Store, user: &User, email: &Email, now: Timestamp) {
        let token = ids::token();
        store.write(Record::Link(Link {
            id: ids::id("mail"),
            to: email.email.clone(),
            kind: self.kind,
            url: link::destination(&self.redirect, &token),
            token,
            user_id: user.user_id.clone(),
            email_id: email.email_id.clone(),
            sent_at: now,
            expires_at: clock::minutes_after(now, self.minutes),
            fate: Fate::Outstanding,
            code_challenge: self.code_challenge,
            attributes: self.attributes,
        }));
    }
}

/// 5 minutes to a week.
pub(crate) fn expiration(given: Option<i64>, default: i64) -> Result<i64, Refusal> {
    match given.unwrap_or(default) {
        minutes if (5..=WEEK).contains(&minutes) => Ok(minutes),
        _ => Err(Refusal::bad_request(
            "invalid_expiration",
            "The expiration should be between 5 and 10080 minutes.",
        )),
    }
}

pub(crate) fn check_locale(locale: Option<&str>) -> Result<(), Refusal> {
    match locale {
        None | Some("en" | "es" | "pt-br" | "fr") => Ok(()),
        Some(_) => Err(Refusal::bad_request("invalid_locale", "The locale is not supported.")),
    }
}

pub(crate) fn email_of<'a>(user: &'a User, address: &str) -> Result<&'a Email, Refusal> {
    user.email(address).ok_or_else(Refusal::email_not_found)
}

/// What every call that mails answers.
pub(crate) fn mailed(user_id: &str, email_id: &str) -> Value {
    json!({"user_id": user_id, "email_id": email_id})
}
