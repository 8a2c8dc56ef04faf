//! The form to invite one person: its fields, and what is wrong with them.

use std::str::FromStr;

use guestlist_domain::flows::NewInvitation;
use guestlist_domain::{
    Email, Invitation, LINK_MINUTES, ManageableRoles, Metadata, Name, ReturnTo, Role,
};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::Value;

use crate::config::SiteConfig;
use crate::extract::{FieldErrors, parse_json};
use crate::pages::components::rounded;
use crate::problem::{FieldError, Problem};

/// The fields as they were typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct InviteFields {
    pub email: String,
    pub name: String,
    pub role: String,
    pub return_to: String,
    pub expires_in_minutes: String,
    pub metadata: String,
    /// The list to return to.
    pub back: Option<String>,
}

/// Returns for how many minutes an invitation's link was to work.
pub fn lifetime_minutes(invitation: &Invitation) -> i64 {
    invitation.expires_at.duration_since(invitation.requested_at()).as_mins()
}

impl InviteFields {
    /// Returns the fields that repeat an invitation.
    pub fn of(invitation: &Invitation) -> Self {
        let metadata = &invitation.metadata;
        Self {
            email: invitation.email.as_str().to_owned(),
            name: invitation
                .name
                .as_ref()
                .map_or_else(String::new, |name| name.as_str().to_owned()),
            role: invitation.role.to_string(),
            return_to: invitation.return_to.as_ref().map_or("", ReturnTo::as_str).to_owned(),
            expires_in_minutes: lifetime_minutes(invitation).to_string(),
            metadata: if metadata.is_empty() { String::new() } else { metadata.to_json() },
            back: None,
        }
    }

    /// Validates the fields. Those that are left blank have their defaults.
    pub fn parse(&self, site: &SiteConfig) -> Result<NewInvitation, Problem> {
        let mut errors = FieldErrors::default();
        let email = errors.check("email", Email::parse(&self.email));
        let name = errors.check("name", Name::parse(&self.name));
        let role = filled(&self.role).and_then(|role| {
            let role = Role::parse(role).ok_or("must be admin, operator or member");
            errors.check("role", role)
        });
        let return_to = filled(&self.return_to)
            .and_then(|url| errors.check("return_to", site.parse_return_to(url)));
        let expires_in_minutes = filled(&self.expires_in_minutes)
            .and_then(|minutes| errors.check("expires_in_minutes", parse_minutes(minutes)));
        let metadata =
            filled(&self.metadata).and_then(|json| errors.check("metadata", parse_metadata(json)));
        Ok(NewInvitation {
            email: errors.finish_with(email)?,
            name: name.flatten(),
            role: role.unwrap_or_default(),
            manageable: ManageableRoles::All,
            metadata: metadata.unwrap_or_default(),
            return_to,
            expires_in_minutes,
            is_bulk: false,
        })
    }

    /// Returns the choices of how long the link works: minutes and text. The one of an earlier
    /// invitation is among them.
    pub fn lifetimes(&self, default_minutes: u32) -> Vec<(String, String)> {
        const CHOICES: [u32; 4] = [10_080, 4_320, 1_440, 60];
        let text = |minutes: u32| rounded(SignedDuration::from_mins(minutes.into()));
        let choice = |minutes: u32| (minutes.to_string(), text(minutes));
        let typed = parse_minutes(&self.expires_in_minutes).ok();
        let typed = typed.filter(|typed| !CHOICES.contains(typed) && *typed != default_minutes);
        let default = (String::new(), format!("{} (default)", text(default_minutes)));
        let others = CHOICES.into_iter().filter(|minutes| *minutes != default_minutes);
        let others = others.chain(typed).map(choice);
        std::iter::once(default).chain(others).collect()
    }

    /// Returns whether a choice of [`lifetimes`](Self::lifetimes) is selected.
    pub fn has_lifetime(&self, minutes: &str) -> bool {
        self.expires_in_minutes == minutes
    }

    pub fn has_role(&self, role: Role) -> bool {
        let selected = filled(&self.role).and_then(Role::parse).unwrap_or_default();
        selected == role
    }
}

fn filled(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn parse_minutes(text: &str) -> Result<u32, &'static str> {
    let minutes = u32::from_str(text.trim()).ok();
    minutes.filter(|minutes| LINK_MINUTES.contains(minutes)).ok_or("must be 5 minutes to 7 days")
}

/// Parses metadata as strictly as the API does.
fn parse_metadata(json: &str) -> Result<Metadata, String> {
    let value = parse_json(json.as_bytes()).map_err(|problem| match problem.errors.first() {
        Some(FieldError { pointer, detail }) => format!("has a fault at {pointer}: it {detail}"),
        None => "is not valid JSON; write {\"name\": \"value\"}".to_owned(),
    })?;
    let Value::Object(map) = value else {
        return Err("must be a JSON object; write {\"name\": \"value\"}".to_owned());
    };
    Metadata::new(map).map_err(|error| error.to_string())
}

/// Returns what is wrong with a field as a sentence.
pub fn field_error(error: &FieldError) -> String {
    let subject = match error.pointer.as_str() {
        "/email" => "The address",
        "/name" => "The name",
        "/role" => "The role",
        "/return_to" => "The page to land on",
        "/expires_in_minutes" => "The time",
        "/metadata" => "The metadata",
        _ => "The form",
    };
    format!("{subject} {}.", error.detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_a_strict_json_object() {
        assert!(parse_metadata("{\"plan\": \"trial\", \"n\": 1}").is_ok());
        for (json, expected) in [
            ("{", "is not valid JSON"),
            ("[1]", "must be a JSON object"),
            ("{\"a\": 1, \"a\": 2}", "has a fault at /a"),
        ] {
            let error = parse_metadata(json).unwrap_err();
            assert!(error.starts_with(expected), "{json}: {error}");
        }
        let large = format!("{{\"a\": \"{}\"}}", "x".repeat(9_000));
        assert_eq!(parse_metadata(&large).unwrap_err(), "is larger than 8 KiB");
    }

    #[test]
    fn the_default_lifetime_is_the_first_choice_and_an_unusual_one_is_kept() {
        let texts = |minutes: &str, default| {
            let fields = InviteFields { expires_in_minutes: minutes.into(), ..Default::default() };
            fields.lifetimes(default).into_iter().map(|(_, text)| text).collect::<Vec<_>>()
        };
        assert_eq!(texts("", 10_080), ["7 days (default)", "3 days", "1 day", "1 h"]);
        assert_eq!(texts("30", 60), ["1 h (default)", "7 days", "3 days", "1 day", "30 min"]);
    }

    #[test]
    fn an_error_is_a_sentence_about_its_field() {
        let error = FieldError { pointer: "/email".into(), detail: "is empty".into() };
        assert_eq!(field_error(&error), "The address is empty.");
    }
}
