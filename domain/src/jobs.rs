//! Jobs of the worker, one in each file.
//!
//! A job is *performed*, which has its effects outside of the store, and then *concluded*, which
//! decides what to write. Only concluding is repeated when rows have changed in between.

mod check_identity;
mod delete_identity;
mod job;
mod reconcile;
mod revoke;
mod send_invitation;
mod send_login_link;
mod sweep;

pub use check_identity::CheckIdentity;
pub use delete_identity::DeleteIdentity;
pub use job::{CallGate, Execution, Job, JobReport};
pub use reconcile::{Reconcile, schedule_reconciliation};
pub use revoke::{RevokeInvitation, RevokeSession};
pub(crate) use send_invitation::{CLOCK_SKEW, cancel_dead_delivery};
pub use send_invitation::{DeliveryReport, SendInvitation};
pub use send_login_link::{LoginReport, SendLoginLink};
pub use sweep::{Sweep, Swept, schedule_sweep};
