//! Mail with magic links: the rules that all sending requests share.

use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

use crate::response::ApiError;
use crate::state::{
    Attributes, Link, LinkKind, LinkState, Project, Record, Store, User, clock, ids, sandbox_values,
};

const HOUR_MINUTES: i64 = 60;
const WEEK_MINUTES: i64 = 10_080;

/// A mail to be sent, validated before anything is changed.
pub(crate) struct Mail {
    kind: LinkKind,
    redirect_url: Url,
    expiration_minutes: i64,
    pub(crate) code_challenge: Option<String>,
    attributes: Attributes,
}

impl Mail {
    /// Validates a mail. Its link lives for 5 minutes to a week.
    pub(crate) fn new(
        project: &Project,
        kind: LinkKind,
        redirect_url: Option<&str>,
        expiration_minutes: Option<i64>,
        attributes: Option<&Attributes>,
    ) -> Result<Self, ApiError> {
        let redirect_url = project.redirect_urls.resolve(redirect_url, kind)?;
        let expiration_minutes = expiration_minutes.unwrap_or(match kind {
            LinkKind::Invite | LinkKind::Login => HOUR_MINUTES,
            LinkKind::Signup => WEEK_MINUTES,
        });
        if !(5..=WEEK_MINUTES).contains(&expiration_minutes) {
            return Err(ApiError::bad_request(
                "invalid_expiration",
                "The expiration should be between 5 and 10080 minutes.",
            ));
        }
        let attributes = attributes.cloned().unwrap_or_default();
        Ok(Self { kind, redirect_url, expiration_minutes, code_challenge: None, attributes })
    }

    /// Stores the mail in the inbox, with a new link, and returns the response.
    pub(crate) fn send(
        self,
        store: &mut Store,
        user: &User,
        address: &str,
        now: Timestamp,
    ) -> Result<Value, ApiError> {
        let email = user.email(address).ok_or_else(ApiError::email_not_found)?;
        let token = ids::token();
        store.write(Record::Link(Link {
            id: ids::id("mail"),
            to: email.email.clone(),
            kind: self.kind,
            url: Link::destination(&self.redirect_url, &token),
            token,
            user_id: user.user_id.clone(),
            email_id: email.email_id.clone(),
            sent_at: now,
            expires_at: clock::minutes_after(now, self.expiration_minutes),
            state: LinkState::Outstanding,
            code_challenge: self.code_challenge,
            attributes: self.attributes,
        }));
        Ok(sent(&user.user_id, &email.email_id))
    }
}

pub(crate) fn check_locale(locale: Option<&str>) -> Result<(), ApiError> {
    match locale {
        None | Some("en" | "es" | "pt-br" | "fr") => Ok(()),
        Some(_) => Err(ApiError::bad_request("invalid_locale", "The locale is not supported.")),
    }
}

/// Returns the response to a mail to the address that is fixed in Stytch's test environment.
pub(crate) fn sent_to_sandbox() -> Value {
    sent(sandbox_values::USER_ID, sandbox_values::EMAIL_ID)
}

fn sent(user_id: &str, email_id: &str) -> Value {
    json!({"user_id": user_id, "email_id": email_id})
}
