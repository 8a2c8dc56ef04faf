//! Invitations that are revoked along with their sender's rights, as pages list them.
//!
//! When an administrator is demoted, suspended or removed, the open invitations they sent with a
//! role above `member` are revoked. The redirect after the form carries the ids of the revoked
//! ones in `?revoked=`, so that the next page can list them.

use std::str::FromStr;

use guestlist_domain::flows::{ChangedUser, privileged_invitations_by};
use guestlist_domain::{Invitation, InvitationId, InvitationStatus, UserId};

use crate::problem::Problem;
use crate::state::App;

/// Maximum number of ids in `?revoked=`.
const MAX_IDS: usize = 20;

/// An invitation as pages list it.
#[derive(Debug)]
pub struct ListedInvitation {
    pub email: String,
    pub role: &'static str,
}

impl From<&Invitation> for ListedInvitation {
    fn from(invitation: &Invitation) -> Self {
        Self { email: invitation.email.as_str().to_owned(), role: invitation.role.as_str() }
    }
}

/// Returns the query with the ids of the revoked invitations; empty if there are none.
pub fn revoked_query(changed: &ChangedUser) -> String {
    let ids = changed.revoked.iter().take(MAX_IDS).map(|revoked| revoked.id.to_string());
    let ids: Vec<_> = ids.collect();
    if ids.is_empty() { String::new() } else { format!("?revoked={}", ids.join(",")) }
}

/// Loads the revoked invitations with the ids in `?revoked=`.
pub async fn find_revoked(app: &App, ids: Option<&str>) -> Result<Vec<ListedInvitation>, Problem> {
    let mut found = Vec::new();
    let ids = ids.unwrap_or_default().split(',').take(MAX_IDS);
    for id in ids.filter_map(|id| InvitationId::from_str(id).ok()) {
        let invitation = app.ctx().store.invitation(id).await?;
        let is_revoked = |invitation: &&Invitation| invitation.status == InvitationStatus::Revoked;
        found.extend(invitation.as_ref().filter(is_revoked).map(ListedInvitation::from));
    }
    Ok(found)
}

/// Loads the invitations that demoting, suspending or removing `sender` would revoke.
pub async fn find_revocable(app: &App, sender: UserId) -> Result<Vec<ListedInvitation>, Problem> {
    let open = privileged_invitations_by(app.ctx(), sender).await?;
    Ok(open.iter().map(ListedInvitation::from).collect())
}
