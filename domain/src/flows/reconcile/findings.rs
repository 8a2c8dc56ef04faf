//! What a reconciliation found, and why it could not be completed.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::{Difference, Drift, DriftCount, Email, ProviderError, StoreError, User, UserId};

/// Examples kept of each kind of difference.
const MAX_EXAMPLES: usize = 20;

/// The reason why a reconciliation was not completed.
#[derive(Debug, Error)]
pub enum ReconcileError {
    /// The list of identities is incomplete, so nothing is known about those that are missing.
    #[error("the provider's users could not be listed completely, so nothing was changed: {0}")]
    Listing(ProviderError),
    /// The provider did not answer about an identity to repair.
    #[error("the provider did not answer, after {repaired} repairs: {error}")]
    Repairing { repaired: u64, error: ProviderError },
    /// A call was not permitted, for example because the worker stops or its lease may have ended.
    #[error("stopped after {repaired} repairs")]
    Stopped { repaired: u64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The result of a comparison.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) users: u64,
    pub(super) identities: u64,
    pub(super) counts: BTreeMap<Drift, DriftCount>,
    pub(super) examples: Vec<Difference>,
    pub(super) candidates: Vec<RepairCandidate>,
}

/// A difference to repair, if it is confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RepairCandidate {
    Gone { user: UserId, identity: String },
    Unlinked { user: UserId, identity: String },
    Removed { identity: String },
}

impl RepairCandidate {
    fn kind(&self) -> Drift {
        match self {
            Self::Gone { .. } => Drift::Gone,
            Self::Unlinked { .. } => Drift::Unlinked,
            Self::Removed { .. } => Drift::Removed,
        }
    }

    pub(super) fn identity(&self) -> &str {
        match self {
            Self::Gone { identity, .. }
            | Self::Unlinked { identity, .. }
            | Self::Removed { identity } => identity,
        }
    }
}

/// A difference between an identity and a user, and how to repair it unless it is only reported.
pub(super) struct Found {
    difference: Difference,
    pub(super) candidate: Option<RepairCandidate>,
}

impl Found {
    pub(super) fn fact(kind: Drift, user: Option<&User>, identity: &str, emails: &[Email]) -> Self {
        let difference = Difference {
            kind,
            user: user.map(|user| user.id),
            email: user.map(|user| user.email.clone()),
            provider_user_id: identity.to_owned(),
            provider_emails: emails.to_vec(),
        };
        Self { difference, candidate: None }
    }

    pub(super) fn candidate(
        candidate: RepairCandidate,
        user: Option<&User>,
        emails: &[Email],
    ) -> Self {
        let fact = Self::fact(candidate.kind(), user, candidate.identity(), emails);
        Self { candidate: Some(candidate), ..fact }
    }
}

impl Findings {
    pub(super) fn add(&mut self, Found { difference, candidate }: Found) {
        let kind = difference.kind;
        self.counts.entry(kind).or_default().found += 1;
        if self.examples.iter().filter(|example| example.kind == kind).count() < MAX_EXAMPLES {
            self.examples.push(difference);
        }
        self.candidates.extend(candidate);
    }

    pub(super) fn mark_repaired(&mut self, candidate: &RepairCandidate) {
        self.counts.entry(candidate.kind()).or_default().repaired += 1;
    }

    /// Removes a candidate that was not confirmed.
    pub(super) fn discard(&mut self, candidate: &RepairCandidate) {
        let (kind, identity) = (candidate.kind(), candidate.identity());
        let count = self.counts.entry(kind).or_default();
        count.found = count.found.saturating_sub(1);
        self.examples.retain(|one| one.kind != kind || one.provider_user_id != identity);
    }
}
