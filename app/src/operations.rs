//! Status, queues and jobs for operators, shared by the HTTP API and the command line.

mod capped_count;
mod diagnosis;
mod job_actions;
mod job_counts;
mod jobs;
mod queues;
mod status;

pub use capped_count::CountView;
pub use diagnosis::{Diagnosis, group_thousands};
pub use job_actions::{BulkResult, JobAction};
pub use job_counts::JobCountsView;
pub use jobs::{ErrorGroupView, JobDetailView, JobView};
pub use queues::{QueueView, WorkerView, parse_pause_reason};
pub use status::Status;
