//! Mail with magic links: the rules that all sending requests share.

use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

use crate::{
    http::error::ApiError,
    state::{
        clock, ids,
        link::{self, Link, LinkKind, LinkState},
        session::Attributes,
        store::Store,
        tables::Record,
        user::{Email, User},
    },
};

pub(crate) const HOUR_MINUTES: i64 = 60;
pub(crate) const WEEK_MINUTES: i64 = 10_080;

/// A mail to be sent, validated before anything is changed.
pub(crate) struct Mail {
    pub(crate) kind: LinkKind,
    pub(crate) redirect_url: Url,
    pub(crate) expiration_minutes: i64,
    pub(crate) code_challenge: Option<String>,
    pub(crate) attributes: Attributes,
}

impl Mail {
    /// Stores the mail in the inbox, with a new link.
    pub(crate) fn send(self, store: &mut Store, user: &User, email: &Email, now: Timestamp) {
        let token = ids::token();
        store.write(Record::Link(Link {
            id: ids::id("mail"),
            to: email.email.clone(),
            kind: self.kind,
            url: link::destination(&self.redirect_url, &token),
            token,
            user_id: user.user_id.clone(),
            email_id: email.email_id.clone(),
            sent_at: now,
            expires_at: clock::minutes_after(now, self.expiration_minutes),
            state: LinkState::Outstanding,
            code_challenge: self.code_challenge,
            attributes: self.attributes,
        }));
    }
}

/// Validates a link's lifetime in minutes: 5 minutes to a week.
pub(crate) fn expiration_minutes(given: Option<i64>, default: i64) -> Result<i64, ApiError> {
    match given.unwrap_or(default) {
        minutes if (5..=WEEK_MINUTES).contains(&minutes) => Ok(minutes),
        _ => Err(ApiError::bad_request(
            "invalid_expiration",
            "The expiration should be between 5 and 10080 minutes.",
        )),
    }
}

pub(crate) fn check_locale(locale: Option<&str>) -> Result<(), ApiError> {
    match locale {
        None | Some("en" | "es" | "pt-br" | "fr") => Ok(()),
        Some(_) => Err(ApiError::bad_request("invalid_locale", "The locale is not supported.")),
    }
}

pub(crate) fn find_email<'a>(user: &'a User, address: &str) -> Result<&'a Email, ApiError> {
    user.email(address).ok_or_else(ApiError::email_not_found)
}

/// Returns the response to every request that sends mail.
pub(crate) fn sent(user_id: &str, email_id: &str) -> Value {
    json!({"user_id": user_id, "email_id": email_id})
}
