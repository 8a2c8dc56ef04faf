//! Sending and revoking invitations.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    api::outbox::{self, HOUR_MINUTES, Mail},
    http::{error::ApiError, request::ApiJson, response::ApiResponse},
    state::{
        email_address,
        link::{Link, LinkKind, LinkState},
        metadata,
        project::Project,
        sandbox_values,
        session::Attributes,
        tables::Record,
        user::{NameParts, Status, User},
    },
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
) -> Result<ApiResponse, ApiError> {
    let address = email_address::parse(request.email.as_deref())?;
    outbox::check_locale(request.locale.as_deref())?;
    let kind = LinkKind::Invite;
    let redirect_url = request.invite_magic_link_url.as_deref();
    let mail = Mail {
        kind,
        redirect_url: project.redirect_urls.resolve(redirect_url, kind)?,
        expiration_minutes: outbox::expiration_minutes(
            request.invite_expiration_minutes,
            HOUR_MINUTES,
        )?,
        code_challenge: None,
        attributes: request.attributes.unwrap_or_default(),
    };
    if address == sandbox_values::EMAIL {
        let sent = outbox::sent(sandbox_values::USER_ID, sandbox_values::EMAIL_ID);
        return Ok(ApiResponse(sent));
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
                metadata::merge(&user.trusted_metadata, request.trusted_metadata)?;
            user.untrusted_metadata =
                metadata::merge(&user.untrusted_metadata, request.untrusted_metadata)?;
            store.write(Record::User(user.clone()));
            user
        };
        let email = outbox::find_email(&user, &address)?;
        mail.send(store, &user, email, now);
        Ok(ApiResponse(outbox::sent(&user.user_id, &email.email_id)))
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
) -> Result<ApiResponse, ApiError> {
    let address = email_address::parse(request.email.as_deref())?;
    if address == sandbox_values::EMAIL {
        return Ok(ApiResponse(json!({})));
    }
    project.change(|store, _| {
        if store.tables.users.by_address(&address).is_none() {
            return Err(ApiError::email_not_found());
        }
        let is_outstanding_invitation =
            |link: &&Link| link.kind == LinkKind::Invite && link.state == LinkState::Outstanding;
        let links = store.tables.links.of_address(&address);
        for link in links.filter(is_outstanding_invitation).cloned().collect::<Vec<_>>() {
            store.write(Record::Link(Link { state: LinkState::Revoked, ..link }));
        }
        Ok(ApiResponse(json!({})))
    })
}
