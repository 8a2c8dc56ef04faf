//! Status, queues and jobs for operators, shared by the HTTP API and the command line.

mod diagnosis;
mod job_actions;
mod jobs;
mod queues;
mod status;

pub use diagnosis::group_thousands;
pub use job_actions::{BulkResult, JobAction};
pub use jobs::{ErrorGroupView, JobDetailView, JobView};
pub use queues::{QueueView, WorkerView, parse_pause_reason};
pub use status::Status;
