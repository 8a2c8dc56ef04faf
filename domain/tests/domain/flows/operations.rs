//! The queue, periodic jobs and reconciliation.

mod identity_webhook;
mod operate_jobs;
pub(crate) mod reconcile;
mod scheduled_reconciliation;
mod sweep;
