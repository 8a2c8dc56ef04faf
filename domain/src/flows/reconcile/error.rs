//! The error of a reconciliation.

use thiserror::Error;

use crate::{ProviderError, StoreError};

/// The reason why a reconciliation was not completed.
#[derive(Debug, Error)]
pub enum ReconcileError {
    /// The list of identities is incomplete, so nothing is known about those that are missing.
    #[error("the provider's users could not be listed completely, so nothing was changed: {0}")]
    Listing(ProviderError),
    /// The provider did not answer about an identity to repair.
    #[error("the provider did not answer, after {repaired} repairs: {error}")]
    Repairing {
        /// The number of repairs made.
        repaired: u64,
        error: ProviderError,
    },
    /// The worker stops, or its lease may have ended.
    #[error("stopped after {repaired} repairs")]
    Stopped {
        /// The number of repairs made.
        repaired: u64,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}
