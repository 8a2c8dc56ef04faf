//! Invitations: mailing one, and taking it back.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    address,
    answer::Answer,
    call::Call,
    constants,
    link::{Fate, Kind, Link},
    mailing::{self, HOUR, Letter, email_of, mailed},
    metadata,
    project::Project,
    refusal::Refusal,
    session::Attributes,
    tables::Record,
    user::{NameParts, Status, User},
};

#[derive(Deserialize)]
struct Invite {
    email: Option<String>,
    invite_magic_link_url: Option<String>,
    invite_expiration_minutes: Option<i64>,
    name: Option<NameParts>,
    locale: Option<String>,
    attributes: Option<Attributes>,
    trusted_metadata: Option<Value>,
    untrusted_metadata: Option<Value>,
}

/// Makes a pending user, or finds the one made before, and mails an invitation.
pub(crate) fn invite(project: &Project, call: &Call) -> Result<Answer, Refusal> {
    let request: Invite = call.json()?;
    let address = address::parse(request.email.as_deref())?;
    mailing::check_locale(request.locale.as_deref())?;
    let kind = Kind::Invite;
    let letter = Letter {
        kind,
        redirect: project.redirects.resolve(request.invite_magic_link_url.as_deref(), kind)?,
        minutes: mailing::expiration(request.invite_expiration_minutes, HOUR)?,
        code_challenge: None,
        attributes: request.attributes.unwrap_or_default(),
    };
    if address == constants::EMAIL {
        return Ok(mailed(constants::USER_ID, constants::EMAIL_ID).into());
    }
    project.change(|store, now| {
        let known = store.tables.users.by_address(&address).cloned();
        if known.as_ref().is_some_and(|user| user.status == Status::Active) {
            return Err(Refusal::duplicate_email());
        }
        store.limit_mail(&address)?;
        let user = if let Some(user) = known {
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
        let email = email_of(&user, &address)?;
        letter.send(store, &user, email, now);
        Ok(mailed(&user.user_id, &email.email_id).into())
    })
}

#[derive(Deserialize)]
struct RevokeInvite {
    email: Option<String>,
}

/// The address' outstanding invitations stop working; the pending user stays.
pub(crate) fn revoke_invite(project: &Project, call: &Call) -> Result<Answer, Refusal> {
    let request: RevokeInvite = call.json()?;
    let address = address::parse(request.email.as_deref())?;
    if address == constants::EMAIL {
        return Ok(json!({}).into());
    }
    project.change(|store, _| {
        if store.tables.users.by_address(&address).is_none() {
            return Err(Refusal::email_not_found());
        }
        let outstanding: Vec<Link> = store
            .tables
            .links
            .of_address(&address)
            .filter(|link| link.kind == Kind::Invite && link.fate == Fate::Outstanding)
            .cloned()
            .collect();
        for link in outstanding {
            store.write(Record::Link(Link { fate: Fate::Revoked, ..link }));
        }
        Ok(json!({}).into())
    })
}
