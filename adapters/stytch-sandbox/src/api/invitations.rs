//! Sending and revoking invitations.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::outbox::{self, Mail};
use crate::request::ApiJson;
use crate::response::{ApiError, ApiResponse, ApiResult};
use crate::state::{
    Attributes, LinkKind, NameParts, Project, Record, Status, User, email_address, merge,
    sandbox_values,
};

#[derive(Deserialize)]
pub(crate) struct InviteRequest {
    email: Option<String>,
    invite_magic_link_url: Option<String>,
    invite_expiration_minutes: Option<i64>,
    name: Option<NameParts>,
    locale: Option<String>,
    attributes: Option<Attributes>,
    trusted_metadata: Option<Value>,
    untrusted_metadata: Option<Value>,
}

/// Sends an invitation to a pending user, who is created unless there is one of that address.
pub(crate) async fn invite(
    State(project): State<Arc<Project>>,
    ApiJson(request): ApiJson<InviteRequest>,
) -> ApiResult {
    let address = email_address::parse(request.email.as_deref())?;
    outbox::check_locale(request.locale.as_deref())?;
    let mail = Mail::new(
        &project,
        LinkKind::Invite,
        request.invite_magic_link_url.as_deref(),
        request.invite_expiration_minutes,
        request.attributes.as_ref(),
    )?;
    if address == sandbox_values::EMAIL {
        return Ok(ApiResponse(outbox::sent_to_sandbox()));
    }
    project.change(|store, now| {
        let existing = store.tables.users.by_address(&address).cloned();
        if existing.as_ref().is_some_and(|user| user.status == Status::Active) {
            return Err(ApiError::duplicate_email());
        }
        store.limit_mail(&address)?;
        let user = if let Some(user) = existing {
            user
        } else {
            let mut user = User::new(address.clone(), Status::Pending, now);
            user.name.update(request.name.unwrap_or_default());
            user.trusted_metadata =
                merge::metadata(&user.trusted_metadata, request.trusted_metadata)?;
            user.untrusted_metadata =
                merge::metadata(&user.untrusted_metadata, request.untrusted_metadata)?;
            store.write(Record::User(user.clone()));
            user
        };
        mail.send(store, &user, &address, now).map(ApiResponse)
    })
}

#[derive(Deserialize)]
pub(crate) struct RevokeInviteRequest {
    email: Option<String>,
}

/// Revokes the outstanding invitations of an address; the pending user stays.
pub(crate) async fn revoke_invite(
    State(project): State<Arc<Project>>,
    ApiJson(request): ApiJson<RevokeInviteRequest>,
) -> ApiResult {
    let address = email_address::parse(request.email.as_deref())?;
    if address == sandbox_values::EMAIL {
        return Ok(ApiResponse(json!({})));
    }
    project.change(|store, _| {
        if store.tables.users.by_address(&address).is_none() {
            return Err(ApiError::email_not_found());
        }
        store.revoke_links(&address, |link| link.kind == LinkKind::Invite);
        Ok(ApiResponse(json!({})))
    })
}
