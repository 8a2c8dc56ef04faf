//! The tables as SeaORM entities, for callers who read them with queries of their own; `job_stats`
//! is read by [`board`](crate::board). Writing `state`, `fence`, `locked_by` or `lease_until` by
//! hand breaks the promises of this crate unless the row's fence is raised with it.

pub mod queue;
pub mod rate;
pub mod worker;

/// The states of a job, as the `state` column spells them.
pub mod state {
    /// Waits for its first `run_at`, or for the `run_at` of a snooze.
    pub const SCHEDULED: &str = "scheduled";
    /// Claimable now.
    pub const READY: &str = "ready";
    /// Leased to a worker.
    pub const RUNNING: &str = "running";
    /// Failed; waits for the `run_at` of its next attempt.
    pub const RETRYING: &str = "retrying";
    /// Set aside. For the application: nothing in this crate writes it, nor claims it.
    pub const HELD: &str = "held";
    /// Finished.
    pub const DONE: &str = "done";
    /// Failed for good; stays until someone acts.
    pub const DEAD: &str = "dead";
    /// Withdrawn by [`cancel`](crate::cancel).
    pub const CANCELLED: &str = "cancelled";

    /// What [`cancel`](crate::cancel) acts on; of running jobs it asks it.
    pub const CANCELLABLE: [&str; 4] = [SCHEDULED, READY, RUNNING, RETRYING];
    /// What [`retry`](crate::retry) acts on.
    pub const RETRYABLE: [&str; 3] = [RETRYING, DEAD, CANCELLED];
}

/// Table `jobs`: a row a job, from its enqueueing until someone deletes it.
pub mod job {
    use sea_orm::entity::prelude::*;

    /// A job as it stands. Times are microseconds since 1970, UTC.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "jobs")]
    pub struct Model {
        /// As it was enqueued.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        /// At most 32 bytes of ASCII.
        pub queue: String,
        /// At most 64 bytes of ASCII.
        pub kind: String,
        /// JSON.
        #[sea_orm(column_type = "Text")]
        pub args: String,
        /// One of [`state`](super::state).
        pub state: String,
        /// Lower goes first.
        pub priority: i16,
        /// Not before this time.
        pub run_at: i64,
        /// Attempts charged so far, the running one included.
        pub attempts: i32,
        /// How often it may fail before it is dead.
        pub max_attempts: i32,
        /// Raised by every claim, lowered by nothing.
        pub fence: i64,
        /// No two rows have the same.
        pub unique_key: Option<String>,
        /// The `unique_key` that a finished job gave up, for [`retry`](crate::retry).
        pub freed_key: Option<String>,
        /// The worker that holds the lease.
        pub locked_by: Option<String>,
        /// By the database's clock.
        pub lease_until: Option<i64>,
        /// The code of the latest attempt, unless that succeeded.
        pub last_error_code: Option<String>,
        /// The latest attempt's error, unless it succeeded.
        #[sea_orm(column_type = "Text", nullable)]
        pub last_error: Option<String>,
        /// When it was enqueued.
        pub created_at: i64,
        /// When the latest attempt was claimed.
        pub started_at: Option<i64>,
        /// When the job became done, dead or cancelled.
        pub finished_at: Option<i64>,
        /// When someone asked for it to be cancelled.
        pub cancel_requested_at: Option<i64>,
        /// What the job's state turns on next, computed by the database: the end of a running
        /// job's lease, when a finished one finished, when any other is to run.
        pub turn_at: Option<i64>,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Table `job_attempts`: every attempt but a plain success at the first.
pub mod attempt {
    use sea_orm::entity::prelude::*;

    /// What came of one attempt. Times are microseconds since 1970, UTC.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "job_attempts")]
    pub struct Model {
        /// The settlement's `attempt_id`.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        /// The job, whose row may be gone.
        pub job_id: Uuid,
        /// From 1. A snoozed attempt was not charged: the next one has the same number.
        pub number: i32,
        /// The claim's fence.
        pub fence: i64,
        /// Who performed it.
        pub worker: String,
        /// When it was claimed.
        pub started_at: i64,
        /// When it ended, or was given up for lost.
        pub finished_at: i64,
        /// `done`, `retry`, `snooze`, `dead`, `cancelled` or `lost`.
        pub outcome: String,
        /// For machines.
        pub error_code: Option<String>,
        /// For people.
        #[sea_orm(column_type = "Text", nullable)]
        pub error: Option<String>,
        /// The id that a called service gave its answer, if the caller recorded one.
        pub request_id: Option<String>,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
