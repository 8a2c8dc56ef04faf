//! Results of comparing users with the identities at the provider.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::{Email, ReconciliationId, UserId};

/// How a user and an identity differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[derive(PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// A user's identity no longer exists. Repaired by ending the sessions and unlinking the
    /// identity; the next mail creates a new one.
    Gone,
    /// A user has no identity, and one exists that can only be theirs. Repaired by linking it.
    Unlinked,
    /// The identity of a removed user still exists. Repaired by deleting it.
    Removed,
    /// An identity belongs to no user. Reported only.
    Orphan,
    /// A user's address belongs to an identity that may be another person's. Reported only.
    Contested,
    /// A user's identity does not have the user's address. Reported only: an account belongs
    /// to the recipient of the mail.
    Address,
    /// An invited user, whose identity Guestlist created, is active at the provider. Reported only.
    Status,
}

impl Drift {
    /// Returns whether a reconciliation repairs differences of this kind.
    pub fn is_repaired(self) -> bool {
        matches!(self, Self::Gone | Self::Unlinked | Self::Removed)
    }
}

/// The number of differences of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DriftCount {
    pub found: u64,
    pub repaired: u64,
}

impl DriftCount {
    /// Returns the number of differences that remain.
    pub fn left(self) -> u64 {
        self.found.saturating_sub(self.repaired)
    }
}

/// What a reconciliation did about the differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum RepairAction {
    DryRun,
    /// Nothing, because repairs would have changed too many users.
    Refused,
    /// Repaired what can be repaired.
    Repaired,
}

/// The record of a completed reconciliation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciliation {
    /// Ids increase with time.
    pub id: ReconciliationId,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub repair_action: RepairAction,
    pub users: u64,
    pub identities: u64,
    pub counts: BTreeMap<Drift, DriftCount>,
}

impl Reconciliation {
    pub fn count(&self, kind: Drift) -> DriftCount {
        self.counts.get(&kind).copied().unwrap_or_default()
    }

    /// Returns the number of differences that can be repaired.
    pub fn repairable(&self) -> u64 {
        let kinds = Drift::ALL.iter().filter(|kind| kind.is_repaired());
        kinds.map(|kind| self.count(*kind).found).sum()
    }
}

/// A difference between a user and an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub kind: Drift,
    pub user: Option<UserId>,
    pub email: Option<Email>,
    pub provider_user_id: String,
    pub provider_emails: Vec<Email>,
}

/// A reconciliation with examples of what it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub record: Reconciliation,
    /// The first differences of each kind.
    pub examples: Vec<Difference>,
}
