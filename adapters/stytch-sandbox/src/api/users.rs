//! Users.

use std::sync::Arc;

use axum::{Extension, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::request::{ApiJson, PathId};
use crate::response::{ApiError, ApiResponse, ApiResult};
use crate::state::{
    DEFAULT_ROLE, Email, NameParts, Project, Record, Status, Store, Tables, User, email_address,
    merge,
};
use crate::webhooks::Source;

/// The fields that `create` and `update` share.
#[derive(Deserialize)]
pub(crate) struct UserFields {
    name: Option<NameParts>,
    trusted_metadata: Option<Value>,
    untrusted_metadata: Option<Value>,
    external_id: Option<String>,
    roles: Option<Vec<String>>,
}

#[derive(Deserialize)]
pub(crate) struct CreateRequest {
    email: Option<String>,
    create_user_as_pending: Option<bool>,
    #[serde(flatten)]
    fields: UserFields,
}

pub(crate) async fn create(
    State(project): State<Arc<Project>>,
    Extension(source): Extension<Source>,
    ApiJson(request): ApiJson<CreateRequest>,
) -> ApiResult {
    if request.email.is_none() {
        return Err(ApiError::bad_request(
            "invalid_create_user_request",
            "An email is required; the sandbox does not support phone numbers.",
        ));
    }
    let address = email_address::parse(request.email.as_deref())?;
    let is_pending = request.create_user_as_pending == Some(true);
    let status = if is_pending { Status::Pending } else { Status::Active };
    project.change_from(source, |store, now| {
        if store.tables.users.by_address(&address).is_some() {
            return Err(ApiError::duplicate_email());
        }
        let mut user = User::new(address, status, now);
        update_fields(&mut user, request.fields, store)?;
        store.write(Record::User(user.clone()));
        Ok(ApiResponse(json!({
            "user_id": user.user_id,
            "email_id": user.emails[0].email_id,
            "phone_id": "",
            "status": user.status,
            "user": user.to_json(),
        })))
    })
}

/// Returns a user; unlike in other responses, their fields are at the top level.
pub(crate) async fn get(State(project): State<Arc<Project>>, PathId(id): PathId) -> ApiResult {
    project.read(|tables, _| Ok(ApiResponse(find(tables, &id)?.to_json())))
}

pub(crate) async fn update(
    State(project): State<Arc<Project>>,
    Extension(source): Extension<Source>,
    PathId(id): PathId,
    ApiJson(fields): ApiJson<UserFields>,
) -> ApiResult {
    project.change_from(source, |store, _| {
        let mut user = find(&store.tables, &id)?.clone();
        update_fields(&mut user, fields, store)?;
        store.write(Record::User(user.clone()));
        Ok(ApiResponse(json!({
            "user_id": user.user_id,
            "emails": user.emails_json(),
            "phone_numbers": [],
            "crypto_wallets": [],
            "user": user.to_json(),
        })))
    })
}

/// Deletes a user with their sessions. Their address may be used again.
pub(crate) async fn delete(
    State(project): State<Arc<Project>>,
    Extension(source): Extension<Source>,
    PathId(id): PathId,
) -> ApiResult {
    project.change_from(source, |store, _| {
        let user_id = find(&store.tables, &id)?.user_id.clone();
        store.write(Record::UserDeleted { user_id: user_id.clone() });
        Ok(ApiResponse(json!({"user_id": user_id})))
    })
}

pub(crate) async fn delete_external_id(
    State(project): State<Arc<Project>>,
    PathId(id): PathId,
) -> ApiResult {
    project.change(|store, _| {
        let user = User { external_id: None, ..find(&store.tables, &id)?.clone() };
        Ok(saved(store, user))
    })
}

pub(crate) async fn delete_email(
    State(project): State<Arc<Project>>,
    PathId(email_id): PathId,
) -> ApiResult {
    project.change(|store, _| {
        let user = store.tables.users.by_email_id(&email_id);
        let mut user = user.ok_or_else(ApiError::email_not_found)?.clone();
        if user.emails.len() == 1 {
            return Err(ApiError::bad_request(
                "cannot_delete_last_primary_factor",
                "The last primary factor of a user can't be deleted.",
            ));
        }
        if let Some(old) = user.emails.iter().find(|email| email.email_id == email_id) {
            revoke_links(store, old);
        }
        user.emails.retain(|email| email.email_id != email_id);
        Ok(saved(store, user))
    })
}

#[derive(Deserialize)]
pub(crate) struct ExchangeRequest {
    email_address: Option<String>,
    phone_number: Option<String>,
}

/// Replaces a user's only address and revokes the links sent to the old one.
pub(crate) async fn exchange_primary_factor(
    State(project): State<Arc<Project>>,
    PathId(id): PathId,
    ApiJson(request): ApiJson<ExchangeRequest>,
) -> ApiResult {
    if request.email_address.is_none() || request.phone_number.is_some() {
        return Err(ApiError::bad_request(
            "invalid_exchange_primary_factor_fields",
            "Only an email_address may be given; the sandbox does not support phone numbers.",
        ));
    }
    let address = email_address::parse(request.email_address.as_deref())?;
    project.change(|store, _| {
        let mut user = find(&store.tables, &id)?.clone();
        let [old] = &user.emails[..] else {
            return Err(ApiError::bad_request(
                "invalid_exchange_primary_factor_user",
                "The user must have exactly one primary factor.",
            ));
        };
        if store.tables.users.by_address(&address).is_some() {
            return Err(ApiError::duplicate_email());
        }
        revoke_links(store, old);
        user.emails = vec![Email::new(address)];
        Ok(saved(store, user))
    })
}

/// Revokes the outstanding links that were sent to an address.
fn revoke_links(store: &mut Store, old: &Email) {
    store.revoke_links(&old.email, |link| link.email_id == old.email_id);
}

fn saved(store: &mut Store, user: User) -> ApiResponse {
    let response = json!({"user_id": user.user_id, "user": user.to_json()});
    store.write(Record::User(user));
    ApiResponse(response)
}

/// Returns the user of a `user_id` or `external_id`.
pub(crate) fn find<'a>(tables: &'a Tables, id: &str) -> Result<&'a User, ApiError> {
    if !is_id(id) {
        return Err(ApiError::bad_request("invalid_user_id", "User ID format is invalid."));
    }
    tables.users.get(id).ok_or_else(ApiError::user_not_found)
}

fn update_fields(user: &mut User, fields: UserFields, store: &Store) -> Result<(), ApiError> {
    user.name.update(fields.name.unwrap_or_default());
    user.trusted_metadata = merge::metadata(&user.trusted_metadata, fields.trusted_metadata)?;
    user.untrusted_metadata = merge::metadata(&user.untrusted_metadata, fields.untrusted_metadata)?;
    if let Some(mut roles) = fields.roles {
        roles.retain(|role| role != DEFAULT_ROLE);
        roles.insert(0, DEFAULT_ROLE.to_owned());
        user.roles = roles;
    }
    if let Some(external_id) = fields.external_id.filter(|id| !id.is_empty()) {
        check_external_id(&external_id, user, store)?;
        user.external_id = Some(external_id);
    }
    Ok(())
}

fn check_external_id(external_id: &str, user: &User, store: &Store) -> Result<(), ApiError> {
    if !is_id(external_id) {
        return Err(ApiError::bad_request(
            "invalid_external_id",
            "The external_id may have 1 to 128 characters of A-Z a-z 0-9 . _ | -.",
        ));
    }
    match store.tables.users.get(external_id) {
        Some(owner) if owner.user_id != user.user_id => Err(ApiError::bad_request(
            "duplicate_user_external_id",
            "A user with the specified external_id already exists for this project.",
        )),
        _ => Ok(()),
    }
}

fn is_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'|' | b'-'))
}
