//! The tables as SeaORM entities, for reading them with your own queries; `job_stats` is read
//! through [`inspect`](crate::inspect). Writing `state`, `fence`, `locked_by` or `lease_until`
//! breaks the guarantees of this crate, unless the row's fence is raised in the same statement.

/// The values of the `state` column.
pub mod state {
    /// Waits for its first `run_at`, or for the `run_at` of a snooze.
    pub const SCHEDULED: &str = "scheduled";
    /// Claimable.
    pub const READY: &str = "ready";
    /// Leased to a worker.
    pub const RUNNING: &str = "running";
    /// Failed; waits for the `run_at` of its next attempt.
    pub const RETRYING: &str = "retrying";
    /// Set aside by the application. Nothing in this crate writes or claims this state.
    pub const HELD: &str = "held";
    /// Succeeded.
    pub const DONE: &str = "done";
    /// Failed permanently; kept until an operator acts.
    pub const DEAD: &str = "dead";
    /// Cancelled by [`cancel`](crate::cancel) or [`dismiss`](crate::dismiss).
    pub const CANCELLED: &str = "cancelled";

    /// The states that [`cancel`](crate::cancel) acts on; for running jobs it requests
    /// cancellation.
    pub const CANCELLABLE: [&str; 4] = [SCHEDULED, READY, RUNNING, RETRYING];
    /// The states that [`retry`](crate::retry) acts on.
    pub const RETRYABLE: [&str; 3] = [RETRYING, DEAD, CANCELLED];
}

/// Table `jobs`: one row for each job, from enqueueing until it is pruned.
pub mod job {
    use sea_orm::entity::prelude::*;

    /// A job. Times are microseconds since 1970, UTC.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "jobs")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        /// At most 32 bytes of ASCII.
        pub queue: String,
        /// At most 64 bytes of ASCII.
        pub kind: String,
        #[sea_orm(column_type = "Text")]
        pub args: String,
        /// One of [`state`](super::state).
        pub state: String,
        /// Jobs with a lower number are claimed first.
        pub priority: i16,
        /// Earliest start of the next attempt.
        pub run_at: i64,
        /// Attempts charged so far, including the running one.
        pub attempts: i32,
        /// Number of attempts after which the job is dead.
        pub max_attempts: i32,
        /// Fencing token, raised by every claim and every retry of an operator, and never lowered.
        pub fence: i64,
        /// Unique among all rows.
        pub unique_key: Option<String>,
        /// Name of the worker that holds the lease.
        pub locked_by: Option<String>,
        /// End of the lease, by the database's clock.
        pub lease_until: Option<i64>,
        /// Error code of the latest attempt, unless it succeeded.
        pub last_error_code: Option<String>,
        /// Error message of the latest attempt, unless it succeeded.
        #[sea_orm(column_type = "Text", nullable)]
        pub last_error: Option<String>,
        pub created_at: i64,
        /// When the latest attempt was claimed.
        pub started_at: Option<i64>,
        /// When the job became done, dead or cancelled.
        pub finished_at: Option<i64>,
        /// When cancellation was requested.
        pub cancel_requested_at: Option<i64>,
        /// The time of the job's next change of state, computed by the database: the end of the
        /// lease for a running job, the time of finishing for a finished one, and `run_at` for all
        /// others.
        pub next_change_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Table `job_attempts`: all attempts except a plain success at the first.
pub mod attempt {
    use sea_orm::entity::prelude::*;

    /// An attempt. Times are microseconds since 1970, UTC.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "job_attempts")]
    pub struct Model {
        /// The [`AttemptResult`](crate::AttemptResult)'s `attempt_id`.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        /// The job's id. Its row may have been deleted.
        pub job_id: Uuid,
        /// The attempt's number, starting at 1. A snoozed attempt is not charged, so the next one
        /// has the same number.
        pub number: i32,
        pub fence: i64,
        pub worker: String,
        pub started_at: i64,
        /// When the attempt ended or was found to be lost.
        pub finished_at: i64,
        /// `done`, `retry`, `snooze`, `dead` or `lost`.
        pub outcome: String,
        pub error_code: Option<String>,
        #[sea_orm(column_type = "Text", nullable)]
        pub error: Option<String>,
        /// The request id that a called service returned.
        pub request_id: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Table `job_queues`: pauses. A queue that was never paused has no row.
pub mod queue {
    use sea_orm::entity::prelude::*;

    /// A queue that is or was paused. Times are microseconds since 1970, UTC.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "job_queues")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        /// Start of the pause, or `None` if the queue is not paused.
        pub paused_at: Option<i64>,
        /// The operator who paused the queue.
        pub paused_by: Option<String>,
        #[sea_orm(column_type = "Text", nullable)]
        pub reason: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Table `job_rates`: the next start to assign for each shared [`Rate`](crate::Rate).
pub mod rate {
    use sea_orm::entity::prelude::*;

    /// A shared rate. Times are microseconds since 1970, UTC, by the database's clock.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "job_rates")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        /// The first start that is not reserved.
        pub next_free: i64,
        /// End of the latest [hold](crate::hold_rate); it may have passed.
        pub held_until: i64,
        /// When a start was last reserved.
        pub seen_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Table `job_workers`: the workers that report. It is for operators and for waking workers; leases
/// alone decide which worker holds a job.
pub mod worker {
    use sea_orm::entity::prelude::*;

    /// A worker. Times are microseconds since 1970, UTC, by the database's clock.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "job_workers")]
    pub struct Model {
        /// [`Options::worker`](crate::Options::worker).
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// When the worker first reported.
        pub started_at: i64,
        /// When the worker last reported.
        pub seen_at: i64,
        /// Separated by commas.
        #[sea_orm(column_type = "Text")]
        pub queues: String,
        /// Number of jobs that ran at its last report, at most `concurrency`.
        pub running: i32,
        /// The most jobs that the worker runs at a time.
        pub concurrency: i32,
        pub host: String,
        pub pid: i64,
        /// The address of [`Options::wake_socket`](crate::Options::wake_socket).
        pub wake_address: Option<String>,
        /// [`Options::info`](crate::Options::info).
        #[sea_orm(column_type = "Text", nullable)]
        pub info: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
