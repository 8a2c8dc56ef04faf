//! Request and response types of invitations.

use guestlist_domain::flows::NewInvitation;
use guestlist_domain::{Email, Invitation, ManageableRoles, Metadata, Name, ReturnTo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};
use uuid::Uuid;

use crate::api::events::ActorView;
use crate::api::users::types::parse_new_role;
use crate::config::SiteConfig;
use crate::extract::FieldErrors;
use crate::openapi::schemas::{self, Time, Unchecked};
use crate::problem::Problem;
use crate::state::holds::HoldStatus;

/// An invitation to create.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with an email")]
pub struct CreateInvitationRequest {
    email: Unchecked<schemas::Email>,
    name: Option<Unchecked<schemas::Name>>,
    role: Option<Unchecked<schemas::Role>>,
    #[schemars(with = "Option<schemas::Metadata>")]
    metadata: Option<Map<String, Value>>,
    return_to: Option<Unchecked<schemas::ReturnTo>>,
    #[schemars(with = "Option<schemas::ExpiresInMinutes>")]
    expires_in_minutes: Option<Number>,
}

impl CreateInvitationRequest {
    /// Validates the request, on behalf of a caller who may manage users with the roles `manageable`.
    pub fn parse(
        self,
        site: &SiteConfig,
        manageable: ManageableRoles,
    ) -> Result<NewInvitation, Problem> {
        let mut errors = FieldErrors::default();
        let email = errors.check("email", Email::parse(&self.email));
        let name = self.name.and_then(|name| errors.check("name", Name::parse(&name)));
        let role = parse_new_role(self.role.as_deref(), &mut errors);
        let metadata = self.metadata.and_then(|map| errors.check("metadata", Metadata::new(map)));
        let return_to =
            self.return_to.and_then(|url| errors.check("return_to", site.parse_return_to(&url)));
        let expires_in_minutes = self.expires_in_minutes.and_then(|minutes| {
            let minutes = integer(&minutes).filter(|minutes| (5..=10_080).contains(minutes));
            let minutes = minutes.ok_or("must be a whole number from 5 to 10080");
            errors.check("expires_in_minutes", minutes)
        });
        Ok(NewInvitation {
            email: errors.finish_with(email)?,
            name: name.flatten(),
            role,
            manageable,
            metadata: metadata.unwrap_or_default(),
            return_to,
            expires_in_minutes,
            is_bulk: false,
        })
    }
}

/// Converts a JSON number, in which 60 and 60.0 are equal.
fn integer(number: &Number) -> Option<u32> {
    let text = number.to_string();
    text.strip_suffix(".0").unwrap_or(&text).parse().ok()
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = schemas::query_parameters)]
pub struct ListInvitations {
    pub status: Option<Unchecked<schemas::InvitationStatus>>,
    /// Finds invitations whose address or name starts with this. The results are ordered by
    /// address.
    pub q: Option<String>,
    /// The batch that the invitations were created with.
    pub batch_id: Option<String>,
    pub limit: Option<Unchecked<schemas::Limit>>,
    pub cursor: Option<Unchecked<schemas::SearchCursor>>,
}

/// An invitation.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Invitation", transform = schemas::all_required)]
pub struct InvitationView<'a> {
    id: Uuid,
    #[schemars(with = "schemas::Email")]
    email: &'a str,
    /// The invitee's name; null if none was given.
    name: Option<&'a str>,
    /// The role that the invitee gets.
    role: schemas::Role,
    status: schemas::InvitationStatus,
    /// Your application's own data. It becomes the user's on acceptance.
    #[schemars(with = "schemas::Metadata")]
    metadata: &'a Metadata,
    /// Where the invitee is sent after logging in; null for the default.
    #[schemars(with = "Option<schemas::ReturnTo>")]
    return_to: Option<&'a str>,
    /// Who created the invitation.
    invited_by: ActorView<'a>,
    /// The batch that the invitation was created with; null if it was created alone.
    batch_id: Option<Uuid>,
    /// The invitee, whose status is `invited` until they accept.
    user_id: Uuid,
    /// The number of attempts to send the mail since the invitation was created or resent. Attempts
    /// that Stytch refused with 429, or because of the configuration, are not counted.
    attempts: u32,
    /// Why the invitation is held back; null if it is not.
    held_by: Option<schemas::HeldBy>,
    /// When the next attempt to send it is due; null if none is.
    next_attempt_at: Option<Time>,
    /// Why the last attempt failed, or that the delivery was `cancelled`; null if there was no
    /// error.
    last_error: Option<ErrorView<'a>>,
    created_at: Time,
    /// When Stytch accepted the mail; null until then, and after resending.
    sent_at: Option<Time>,
    /// When the invitee logged in; null until then.
    accepted_at: Option<Time>,
    /// When the link expires, counted from creating or resending the invitation.
    expires_at: Time,
}

/// A failed attempt.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LastError", transform = schemas::all_required)]
struct ErrorView<'a> {
    /// Stytch's `error_type`, or a code of Guestlist's if there was no response, as in `timeout`.
    code: &'a str,
    /// An explanation for people.
    message: &'a str,
    at: Time,
}

impl<'a> InvitationView<'a> {
    /// Creates a view that includes what holds the invitation back.
    pub fn new(invitation: &'a Invitation, holds: HoldStatus) -> Self {
        Self {
            id: invitation.id.0,
            email: invitation.email.as_str(),
            name: invitation.name.as_ref().map(Name::as_str),
            role: invitation.role.into(),
            status: invitation.status.into(),
            metadata: &invitation.metadata,
            return_to: invitation.return_to.as_ref().map(ReturnTo::as_str),
            invited_by: (&invitation.invited_by).into(),
            batch_id: None,
            user_id: invitation.user_id.0,
            attempts: invitation.attempts,
            held_by: holds.held_by(invitation).map(Into::into),
            next_attempt_at: invitation.next_attempt_at.map(Time),
            last_error: invitation.last_error.as_ref().map(|error| ErrorView {
                code: &error.code,
                message: &error.message,
                at: Time(error.at),
            }),
            created_at: Time(invitation.created_at),
            sent_at: invitation.sent_at.map(Time),
            accepted_at: invitation.accepted_at.map(Time),
            expires_at: Time(invitation.expires_at),
        }
    }
}
