//! The domain of Guestlist, without I/O and without a runtime.
//!
//! # Glossary
//!
//! - A **user** has an address and is `invited`, `active`, `suspended` or `deleting`. Active users can
//!   log in, and so can invited users with an open invitation.
//! - An **invitation** is *open* while `queued` or `sent`, and ends as `accepted`, `failed`, `expired` or
//!   `revoked`. Each request to send its mail is a *delivery*; each call to the provider is an *attempt*.
//! - The **provider** sends links and authenticates them. An **identity** is what it knows of a user.
//! - A **session** is started by the provider; its record here decides whether it is live.
//! - An **event** is an entry of the audit log. The events of an invitation are its *timeline*.
//! - A **flow** is a use case: it reads, decides, and applies a **change** to the **store**, which returns
//!   a **verdict**.
//! - A **job** is background work. It is *performed* (external effects) and then *concluded* (what is
//!   written).

mod authorization;
mod change;
mod context;
pub mod flows;
pub mod jobs;
mod model;
mod ports;
mod provider_health;

pub use authorization::ManageableRoles;
pub use change::{Change, Guard, GuardName, RemovedAddress, Rows, Settlement, Tombstone, Verdict};
pub(crate) use context::OptimisticRetry;
pub use context::{Ctx, Limit, Policy};
pub use jobs::{CallGate, Execution, Job, JobReport};
pub use model::*;
pub use ports::*;
pub use provider_health::{HealthIssue, HoldReasons, ProviderHealth, WorkerReport};
