//! The domain of Guestlist, without I/O and without a runtime.
//!
//! # Glossary
//!
//! - A **user** has an address and is `invited`, `active`, `suspended` or `deleting`. Active users can
//!   log in, and so can invited users with an open invitation.
//! - An **invitation** is *open* while `queued` or `sent`, and ends as `accepted`, `failed`, `expired` or
//!   `revoked`. Each request to send its mail is a *delivery*, which is one job.
//! - The **provider** sends links and authenticates them. An **identity** is what it knows of a user.
//! - A **session** is started by the provider; its record here decides whether it is live.
//! - An **event** is an entry of the audit log. The events of an invitation are its *timeline*.
//! - A **flow** is a use case: it reads, decides, and applies a **change** to the **store**, which returns
//!   a **verdict**.
//!   A **guard** is a counter in a change that makes concurrent related changes conflict. A
//!   **tombstone** is the identity of a removed user.
//! - A **job** is background work. It is *performed* (external effects) and then *concluded* (what is
//!   written). A worker claims a job with a **lease**, which heartbeats extend; the **fence** numbers the
//!   claims, so that a worker that lost its lease can't write. An **attempt** is one claim.
//! - A job is **settled** when the result of its attempt is written, in the same change as the rows that
//!   it concerns: done, retried, dead, or **snoozed**, which means postponed without counting the attempt.
//!   A job is **exhausted** when workers that stopped have used up all its attempts.
//! - A **slot** is a worker's capacity to run one job. A **start** is a time at which the shared rate
//!   permits a call to the provider. The **gate** waits for both and then permits or refuses the call.
//! - An invitation is **in doubt** while the outcome of a call is unknown, so that a mail may have been
//!   sent. Jobs are **held** while their queue is paused or the provider can't be called.

mod authorization;
mod change;
mod context;
pub mod flows;
pub mod jobs;
mod model;
mod ports;
mod provider_health;

pub use authorization::ManageableRoles;
pub use change::{
    Change, Guard, GuardName, RemovedAddress, Rows, Settlement, Tombstone, Update, Verdict,
};
pub(crate) use context::OptimisticRetry;
pub use context::{Ctx, Limit, Policy};
pub use jobs::{CallGate, Execution, Job, JobReport};
pub use model::*;
pub use ports::*;
pub use provider_health::{HealthIssue, HoldReasons, ProviderHealth, WorkerReport};
