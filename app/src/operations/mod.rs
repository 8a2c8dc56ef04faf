//! What operators ask and do, by HTTP and from a shell alike.

mod bulk;
mod jobs;
mod queues;
mod status;

pub use bulk::{Act, Bulk};
pub use jobs::{ErrorView, JobView, WholeJobView};
pub use queues::{QueueView, WorkerView};
pub use status::{Status, exactly};

/// The longest reason for a pause, in characters.
const REASON: usize = 500;

/// Why a queue is paused, if that is said; or what is wrong with it.
pub fn read_reason(reason: Option<String>) -> Result<Option<String>, String> {
    let reason = reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON) {
        return Err(format!("is longer than {REASON} characters"));
    }
    Ok(reason)
}
