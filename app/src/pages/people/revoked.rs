//! The invitations that a form has revoked, for the page after it.
//!
//! When an administrator is demoted, suspended or removed, the open invitations they sent with a
//! role above `member` are revoked. The redirect after the form carries the ids of the revoked
//! ones in `?revoked=`, so that the next page can list them.

use std::str::FromStr;

use guestlist_domain::flows::ChangedUser;
use guestlist_domain::{Invitation, InvitationId, InvitationStatus};

use crate::problem::Problem;
use crate::state::App;

/// Maximum number of ids in `?revoked=`.
const MAX_IDS: usize = 20;

/// Returns the query with the ids of the revoked invitations; empty if there are none.
pub fn revoked_query(changed: &ChangedUser) -> String {
    let ids = changed.revoked.iter().take(MAX_IDS).map(|revoked| revoked.id.to_string());
    let ids: Vec<_> = ids.collect();
    if ids.is_empty() { String::new() } else { format!("?revoked={}", ids.join(",")) }
}

/// Loads the revoked invitations with the ids in `?revoked=`.
pub async fn find_revoked(app: &App, ids: Option<&str>) -> Result<Vec<Invitation>, Problem> {
    let mut found = Vec::new();
    let ids = ids.unwrap_or_default().split(',').take(MAX_IDS);
    for id in ids.filter_map(|id| InvitationId::from_str(id).ok()) {
        let invitation = app.ctx.store.invitation(id).await?;
        found.extend(invitation.filter(|found| found.status == InvitationStatus::Revoked));
    }
    Ok(found)
}
