//! Queries for pages and operators: queues, workers, jobs, invitations and the audit log. They only
//! read.
//!
//! A job is `held` if it is due and is held back, for example by a paused queue. The queue's rows
//! do not record this, so it is derived from the state of queues and workers.

mod audit;
mod capped_count;
mod invitations;
mod job_counts;
mod jobs;
mod overview;
mod queue_activity;

pub use apalis_sea_orm::KindCount;
pub use apalis_sea_orm::inspect::{ErrorGroup, Pause};
pub use audit::{AuditActor, AuditFilter};
pub use capped_count::CappedCount;
pub use invitations::InvitationCounts;
pub use job_counts::JobCounts;
pub use jobs::{JobAttempt, JobFilter, JobRecord, JobStatus};
pub use overview::{Overview, PROVIDER_RATE, QueueState, RefusedWrites, WorkerState};
pub use queue_activity::{Activity, Minute, Quantiles, QueueActivity, QueueWaits};
