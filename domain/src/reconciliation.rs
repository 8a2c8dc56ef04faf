//! What a comparison with Stytch found, in numbers and by examples.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Email, ReconciliationId, UserId};

/// How somebody here and somebody at Stytch can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// Stytch no longer knows the identity of a user here. Repaired: the sessions end and the
    /// identity is forgotten, so that the next mail makes a new one.
    Gone,
    /// A user here has no identity yet, and Stytch knows one that is theirs and nobody else's.
    /// Repaired: it is noted.
    Unlinked,
    /// Stytch still knows somebody who was removed here. Repaired: deleted there.
    Removed,
    /// Stytch knows somebody of whom nobody here has heard. Never touched.
    Orphan,
    /// An address of a user here belongs to somebody at Stytch who can't be taken for them. Never
    /// touched.
    Contested,
    /// The identity of a user here does not have their address. Never touched: who decides whose
    /// an account is, is whoever reads the mail.
    Address,
    /// Somebody whose identity we made came in at Stytch, but not here. Never touched.
    Status,
}

crate::user::words!(Drift {
    Gone = "gone",
    Unlinked = "unlinked",
    Removed = "removed",
    Orphan = "orphan",
    Contested = "contested",
    Address = "address",
    Status = "status",
});

impl Drift {
    /// Whether it can be repaired without asking anybody.
    pub fn is_repaired(self) -> bool {
        matches!(self, Self::Gone | Self::Unlinked | Self::Removed)
    }
}

/// How many differences of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DriftCount {
    /// There were.
    pub found: u64,
    /// Are no more.
    pub repaired: u64,
}

impl DriftCount {
    /// There still are.
    pub fn left(self) -> u64 {
        self.found.saturating_sub(self.repaired)
    }
}

/// What was done about the differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RepairAction {
    /// Nothing was to be done.
    DryRun,
    /// Nothing, because it would have changed too many users.
    Refused,
    /// What can be repaired was.
    Repaired,
}

crate::user::words!(RepairAction { DryRun = "dry_run", Refused = "refused", Repaired = "repaired" });

/// A comparison that came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciliation {
    /// Ours; later ones sort after earlier ones.
    pub id: ReconciliationId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was done.
    pub finished_at: Timestamp,
    /// What was done.
    pub repair_action: RepairAction,
    /// How many users there are here.
    pub users: u64,
    /// How many Stytch told of.
    pub identities: u64,
    /// How many differ, by how.
    pub counts: BTreeMap<Drift, DriftCount>,
}

impl Reconciliation {
    /// How many differ like that.
    pub fn count(&self, kind: Drift) -> DriftCount {
        self.counts.get(&kind).copied().unwrap_or_default()
    }

    /// How many could be repaired.
    pub fn repairable(&self) -> u64 {
        let kinds = Drift::ALL.iter().filter(|kind| kind.is_repaired());
        kinds.map(|kind| self.count(*kind).found).sum()
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which kind.
    pub kind: Drift,
    /// Who it is here.
    pub user: Option<UserId>,
    /// Their address here.
    pub email: Option<Email>,
    /// Who it is at Stytch.
    pub provider_user_id: String,
    /// Their addresses there.
    pub theirs: Vec<Email>,
}

/// A comparison, with the first differences of each kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// In numbers.
    pub record: Reconciliation,
    /// The first of each kind.
    pub examples: Vec<Difference>,
}
