//! Operates the job queue.

mod operate_delivery;
mod operate_jobs;
mod pause;

pub use self::operate_jobs::{
    JobOperationError, authorize_job_cancellation, authorize_job_retry, cancel_job, dismiss_job,
    retry_job,
};
pub use self::pause::{pause_queue, resume_queue};
