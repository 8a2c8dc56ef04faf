//! Invitations that were revoked because their sender may no longer grant what they grant: named
//! on the page that follows the form.

use std::str::FromStr;

use guestlist_domain::flows::{ChangedUser, privileged_invitations_by};
use guestlist_domain::{Invitation, InvitationId, InvitationStatus, UserId};

use crate::problem::Problem;
use crate::state::App;

/// Invitations that an address of a page names, at most.
const MOST: usize = 20;

/// An invitation, as pages name it.
#[derive(Debug)]
pub struct Named {
    pub email: String,
    pub role: &'static str,
}

impl From<&Invitation> for Named {
    fn from(invitation: &Invitation) -> Self {
        Self { email: invitation.email.as_str().to_owned(), role: invitation.role.as_str() }
    }
}

/// What is added to a page's address, so that it names what was revoked; empty where nothing was.
pub fn query(changed: &ChangedUser) -> String {
    let ids = changed.revoked.iter().take(MOST).map(|revoked| revoked.id.to_string());
    let ids: Vec<_> = ids.collect();
    if ids.is_empty() { String::new() } else { format!("?revoked={}", ids.join(",")) }
}

/// The revoked invitations that a page's address names.
pub async fn named(app: &App, revoked: Option<&str>) -> Result<Vec<Named>, Problem> {
    let mut named = Vec::new();
    let ids = revoked.unwrap_or_default().split(',').take(MOST);
    for id in ids.filter_map(|id| InvitationId::from_str(id).ok()) {
        let invitation = app.ctx().store.invitation(id).await?;
        let revoked = invitation.filter(|one| one.status == InvitationStatus::Revoked);
        named.extend(revoked.as_ref().map(Named::from));
    }
    Ok(named)
}

/// What would be revoked with their removal, suspension or demotion.
pub async fn at_stake(app: &App, sender: UserId) -> Result<Vec<Named>, Problem> {
    let open = privileged_invitations_by(app.ctx(), sender).await?;
    Ok(open.iter().map(Named::from).collect())
}
