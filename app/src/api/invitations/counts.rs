//! Response types of counts.

use guestlist_database::operations::{CappedCount, InvitationCounts};
use guestlist_domain::InvitationStatus;
use schemars::JsonSchema;
use serde::Serialize;

use crate::openapi::schemas;

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

/// A number, counted up to 10,000.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CappedCount", transform = schemas::all_required)]
struct CountView {
    count: u64,
    /// Whether there are more than `count`.
    capped: bool,
}

impl From<CappedCount> for CountView {
    fn from(CappedCount { count, is_capped }: CappedCount) -> Self {
        Self { count, capped: is_capped }
    }
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
