//! The calls about one user.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    address,
    answer::Answer,
    call::Call,
    link::{Fate, Link},
    metadata,
    project::Project,
    refusal::Refusal,
    store::Store,
    tables::{Record, Tables},
    user::{DEFAULT_ROLE, Email, NameParts, Status, User},
};

/// What `create` and `update` have in common.
#[derive(Deserialize)]
struct Fields {
    name: Option<NameParts>,
    trusted_metadata: Option<Value>,
    untrusted_metadata: Option<Value>,
    external_id: Option<String>,
    roles: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Create {
    email: Option<String>,
    create_user_as_pending: Option<bool>,
    #[serde(flatten)]
    fields: Fields,
}

pub(crate) fn create(project: &Project, call: &Call) -> Result<Answer, Refusal> {
    let request: Create = call.json()?;
    if request.email.is_none() {
        return Err(Refusal::bad_request(
            "invalid_create_user_request",
            "An email is required; the sandbox knows no phone numbers.",
        ));
    }
    let address = address::parse(request.email.as_deref())?;
    let pending = request.create_user_as_pending == Some(true);
    let status = if pending { Status::Pending } else { Status::Active };
    project.change_by(call.source, |store, now| {
        if store.tables.users.by_address(&address).is_some() {
            return Err(Refusal::duplicate_email());
        }
        let mut user = User::new(address, status, now);
        apply(&mut user, request.fields, store)?;
        store.write(Record::User(user.clone()));
        Ok(json!({
            "user_id": user.user_id,
            "email_id": user.emails[0].email_id,
            "phone_id": "",
            "status": user.status,
            "user": user.view(),
        })
        .into())
    })
}

/// The one answer with the user's fields at its top level.
pub(crate) fn get(project: &Project, call: &Call) -> Result<Answer, Refusal> {
    project.read(|tables, _| Ok(find(tables, &call.id)?.view().into()))
}

pub(crate) fn update(project: &Project, call: &Call) -> Result<Answer, Refusal> {
    let fields: Fields = call.json()?;
    project.change_by(call.source, |store, _| {
        let mut user = known(store, &call.id)?;
        apply(&mut user, fields, store)?;
        store.write(Record::User(user.clone()));
        Ok(json!({
            "user_id": user.user_id,
            "emails": user.emails_view(),
            "phone_numbers": [],
            "crypto_wallets": [],
            "user": user.view(),
        })
        .into())
    })
}

/// Ends the sessions, frees the address.
pub(crate) fn delete(project: &Project, call: &Call) -> Result<Answer, Refusal> {
    project.change_by(call.source, |store, _| {
        let user_id = known(store, &call.id)?.user_id;
        store.write(Record::UserDeleted { user_id: user_id.clone() });
        Ok(json!({"user_id": user_id}).into())
    })
}

pub(crate) fn delete_external_id(project: &Project, call: &Call) -> Result<Answer, Refusal> {
    project.change(|store, _| {
        let user = User { external_id: None, ..known(store, &call.id)? };
        store.write(Record::User(user.clone()));
        Ok(json!({"user_id": user.user_id, "user": user.view()}).into())
    })
}

pub(crate) fn delete_email(project: &Project, call: &Call) -> Result<Answer, Refusal> {
    project.change(|store, _| {
        let user = store.tables.users.by_email_id(&call.id).ok_or_else(Refusal::email_not_found)?;
        if user.emails.len() == 1 {
            return Err(Refusal::bad_request(
                "cannot_delete_last_primary_factor",
                "The last primary factor of a user can't be deleted.",
            ));
        }
        let mut user = user.clone();
        user.emails.retain(|email| email.email_id != call.id);
        revoke_links(store, &call.id, &user.user_id);
        store.write(Record::User(user.clone()));
        Ok(json!({"user_id": user.user_id, "user": user.view()}).into())
    })
}

#[derive(Deserialize)]
struct Exchange {
    email_address: Option<String>,
    phone_number: Option<String>,
}

/// Another address in place of the only one. Links to the old one stop working.
pub(crate) fn exchange_primary_factor(project: &Project, call: &Call) -> Result<Answer, Refusal> {
    let request: Exchange = call.json()?;
    if request.email_address.is_none() || request.phone_number.is_some() {
        return Err(Refusal::bad_request(
            "invalid_exchange_primary_factor_fields",
            "An email_address is required, and nothing else; the sandbox knows no phone numbers.",
        ));
    }
    let address = address::parse(request.email_address.as_deref())?;
    project.change(|store, _| {
        let mut user = known(store, &call.id)?;
        let [old] = &user.emails[..] else {
            return Err(Refusal::bad_request(
                "invalid_exchange_primary_factor_user",
                "The user must have exactly one primary factor.",
            ));
        };
        if store.tables.users.by_address(&address).is_some() {
            return Err(Refusal::duplicate_email());
        }
        revoke_links(store, &old.email_id, &user.user_id);
        user.emails = vec![Email::new(address)];
        store.write(Record::User(user.clone()));
        Ok(json!({"user_id": user.user_id, "user": user.view()}).into())
    })
}

fn revoke_links(store: &mut Store, email_id: &str, user_id: &str) {
    let address = store
        .tables
        .users
        .get(user_id)
        .and_then(|user| user.emails.iter().find(|email| email.email_id == email_id))
        .map(|email| email.email.clone());
    let Some(address) = address else { return };
    let links: Vec<Link> = store
        .tables
        .links
        .of_address(&address)
        .filter(|link| link.email_id == email_id && link.fate == Fate::Outstanding)
        .cloned()
        .collect();
    for link in links {
        store.write(Record::Link(Link { fate: Fate::Revoked, ..link }));
    }
}

/// By `user_id` or `external_id`.
pub(crate) fn find<'a>(tables: &'a Tables, id: &str) -> Result<&'a User, Refusal> {
    if !is_id(id) {
        return Err(Refusal::bad_request("invalid_user_id", "User ID format is invalid."));
    }
    tables.users.get(id).ok_or_else(Refusal::user_not_found)
}

fn known(store: &Store, id: &str) -> Result<User, Refusal> {
    find(&store.tables, id).cloned()
}

fn apply(user: &mut User, fields: Fields, store: &Store) -> Result<(), Refusal> {
    user.name.update(fields.name.unwrap_or_default());
    user.trusted_metadata = metadata::merge(&user.trusted_metadata, fields.trusted_metadata)?;
    user.untrusted_metadata = metadata::merge(&user.untrusted_metadata, fields.untrusted_metadata)?;
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

fn check_external_id(external_id: &str, user: &User, store: &Store) -> Result<(), Refusal> {
    if !is_id(external_id) {
        return Err(Refusal::bad_request(
            "invalid_external_id",
            "The external_id may have 1 to 128 characters of A-Z a-z 0-9 . _ | -.",
        ));
    }
    match store.tables.users.get(external_id) {
        Some(owner) if owner.user_id != user.user_id => Err(Refusal::bad_request(
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
