//! Operations by HTTP: how it all stands, and the hands on the queue.

pub mod bulk;
pub mod jobs;
pub mod metrics;
pub mod queues;
pub mod status;
