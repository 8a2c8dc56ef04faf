//! Request and response types of users.

use guestlist_domain::flows::{ChangedUser, NewUser, UserChange};
use guestlist_domain::{Email, ManageableRoles, Metadata, Name, Role, User};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::extract::FieldErrors;
use crate::openapi::schemas::{self, Time, Unchecked};
use crate::problem::Problem;

/// A user to create.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with an email")]
pub struct CreateUserRequest {
    email: Unchecked<schemas::Email>,
    name: Option<Unchecked<schemas::Name>>,
    role: Option<Unchecked<schemas::Role>>,
    #[schemars(with = "Option<schemas::Metadata>")]
    metadata: Option<Map<String, Value>>,
}

impl CreateUserRequest {
    /// Validates the request, on behalf of a caller who may manage users with the roles `manageable`.
    pub fn parse(self, manageable: ManageableRoles) -> Result<NewUser, Problem> {
        let mut errors = FieldErrors::default();
        let email = errors.check("email", Email::parse(&self.email));
        let name = self.name.and_then(|name| errors.check("name", Name::parse(&name)));
        let role = parse_new_role(self.role.as_deref(), &mut errors);
        let metadata = self.metadata.and_then(|map| errors.check("metadata", Metadata::new(map)));
        let email = errors.finish_with(email)?;
        let (name, metadata) = (name.flatten(), metadata.unwrap_or_default());
        Ok(NewUser { email, name, role, metadata, manageable })
    }
}

/// Parses the role of a new user, `member` by default.
pub fn parse_new_role(role: Option<&str>, errors: &mut FieldErrors) -> Role {
    role.and_then(|role| errors.check("role", parse_role(role))).unwrap_or_default()
}

pub fn parse_role(role: &str) -> Result<Role, &'static str> {
    Role::parse(role).ok_or("must be admin, operator or member")
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = schemas::query_parameters)]
pub struct ListUsers {
    /// Finds users whose address or name starts with this. The results are ordered by address.
    pub q: Option<String>,
    pub role: Option<Unchecked<schemas::Role>>,
    pub status: Option<Unchecked<schemas::UserStatus>>,
    pub limit: Option<Unchecked<schemas::Limit>>,
    pub cursor: Option<Unchecked<schemas::SearchCursor>>,
}

/// Changes of a user. Members that are left out stay unchanged. Only `name` may be null, which
/// removes it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
#[schemars(transform = schemas::partial_update)]
pub struct UpdateUserRequest {
    #[serde(default, deserialize_with = "nullable")]
    #[schemars(with = "Option<schemas::Name>")]
    name: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    #[schemars(with = "schemas::Role")]
    role: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    #[schemars(with = "schemas::SettableUserStatus")]
    status: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    #[schemars(with = "schemas::Metadata")]
    metadata: Option<Map<String, Value>>,
}

/// Deserializes a member that may be left out, but not be null.
fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// Deserializes a name, where null is an empty name.
fn nullable<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(value).map(|name: Option<String>| Some(name.unwrap_or_default()))
}

impl UpdateUserRequest {
    /// Validates the request, on behalf of a caller who may manage users with the roles `manageable`.
    pub fn parse(self, manageable: ManageableRoles) -> Result<UserChange, Problem> {
        let mut errors = FieldErrors::default();
        let name = self.name.and_then(|name| errors.check("name", Name::parse(&name)));
        let role = self.role.and_then(|role| errors.check("role", parse_role(&role)));
        let is_suspended = self.status.and_then(|status| {
            let is_suspended = match status.as_str() {
                "active" => Ok(false),
                "suspended" => Ok(true),
                _ => Err("must be active or suspended"),
            };
            errors.check("status", is_suspended)
        });
        let metadata = self.metadata.and_then(|map| errors.check("metadata", Metadata::new(map)));
        errors.finish()?;
        Ok(UserChange { name, role, is_suspended, metadata, manageable })
    }
}

/// A user.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "User", transform = schemas::all_required)]
pub struct UserView<'a> {
    id: Uuid,
    #[schemars(with = "schemas::Email")]
    email: &'a str,
    /// The user's name; null if none is known.
    name: Option<&'a str>,
    role: schemas::Role,
    status: schemas::UserStatus,
    /// Your application's own data about the user.
    #[schemars(with = "schemas::Metadata")]
    metadata: &'a Metadata,
    /// The user's id at Stytch; null until it is known.
    stytch_user_id: Option<&'a str>,
    created_at: Time,
    /// When the user last made a request with a session, to the minute; null before the first
    /// login.
    last_seen_at: Option<Time>,
}

impl<'a> From<&'a User> for UserView<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: user.id.0,
            email: user.email.as_str(),
            name: user.name.as_ref().map(Name::as_str),
            role: user.role.into(),
            status: user.status.into(),
            metadata: &user.metadata,
            stytch_user_id: user.provider_user_id.as_deref(),
            created_at: Time(user.created_at),
            last_seen_at: user.last_seen_at.map(Time),
        }
    }
}

/// A user who was updated or deleted.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ChangedUser", transform = revoked_invitations_optional)]
pub struct ChangedUserView<'a> {
    #[serde(flatten)]
    user: UserView<'a>,
    /// The user's open invitations with a role above `member`, which this change has revoked. Left
    /// out if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    revoked_invitations: Vec<RevokedInvitationView<'a>>,
}

fn revoked_invitations_optional(schema: &mut Schema) {
    schemas::all_required(schema);
    if let Some(Value::Array(mut names)) = schema.remove("required") {
        names.retain(|name| name != "revoked_invitations");
        schema.insert("required".to_owned(), names.into());
    }
}

/// A revoked invitation.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RevokedInvitation", transform = schemas::all_required)]
struct RevokedInvitationView<'a> {
    id: Uuid,
    #[schemars(with = "schemas::Email")]
    email: &'a str,
}

impl<'a> From<&'a ChangedUser> for ChangedUserView<'a> {
    fn from(changed: &'a ChangedUser) -> Self {
        let revoked = changed.revoked.iter().map(|revoked| RevokedInvitationView {
            id: revoked.id.0,
            email: revoked.email.as_str(),
        });
        Self { user: (&changed.user).into(), revoked_invitations: revoked.collect() }
    }
}
