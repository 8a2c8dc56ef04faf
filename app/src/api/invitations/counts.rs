//! Response types of counts.

use guestlist_database::operations::InvitationCounts;
use guestlist_domain::InvitationStatus;
use schemars::JsonSchema;
use serde::Serialize;

use crate::openapi::schemas;
use crate::operations::CountView;

/// The numbers of invitations by status.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InvitationCounts", transform = schemas::all_required)]
pub struct InvitationCountsView {
    queued: CountView,
    sent: CountView,
    accepted: CountView,
    failed: CountView,
    expired: CountView,
    revoked: CountView,
    /// Those of the queued invitations that are held back.
    held: CountView,
}

impl From<&InvitationCounts> for InvitationCountsView {
    fn from(counts: &InvitationCounts) -> Self {
        Self {
            queued: counts.of(InvitationStatus::Queued).into(),
            sent: counts.of(InvitationStatus::Sent).into(),
            accepted: counts.of(InvitationStatus::Accepted).into(),
            failed: counts.of(InvitationStatus::Failed).into(),
            expired: counts.of(InvitationStatus::Expired).into(),
            revoked: counts.of(InvitationStatus::Revoked).into(),
            held: counts.held.into(),
        }
    }
}
