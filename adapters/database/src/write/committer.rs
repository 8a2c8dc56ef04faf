//! Commits concurrent changes in groups, with one verdict per change.
//!
//! A group is the changes that wait when a commit task becomes free. A lone change is committed at
//! once; under load a small group waits a few milliseconds for more changes (see [`BatchQueue`]). A
//! group that is rejected is split in halves until the rejected change is alone, so that its
//! conflict does not affect the others.

use std::time::Duration;

use apalis_sea_orm::{ErrorCode, Waker, error_code};
use guestlist_domain::{Change, StoreError, Verdict};
use sea_orm::{DatabaseTransaction, DbBackend, DbErr};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::commit_recovery;
use super::transaction;
use crate::batching::BatchQueue;
use crate::connect::Database;
use crate::error::{StoreResult, WriteError, classify, store_error, timed_out};
use crate::retry::{RETRY_WINDOW, Retry};

/// The maximum number of changes in one commit.
const GROUP_SIZE: usize = 64;
/// The shortest interval between short groups of jobs' results, which no request waits for.
const SETTLEMENT_INTERVAL: Duration = Duration::from_millis(25);
/// The same on SQLite, where a transaction writes each page that it changes, some 40 of them for any
/// number of results, and keeps other processes from writing.
const SQLITE_SETTLEMENT_INTERVAL: Duration = Duration::from_millis(100);
/// The time limit of a transaction and of its COMMIT, equal to PlanetScale's limit.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(20);

/// A handle to the tasks that commit. They finish the submitted changes after it is dropped.
#[derive(Debug)]
pub(crate) struct Committer {
    requests: mpsc::Sender<Submission>,
    settlements: mpsc::Sender<Submission>,
}

#[derive(Debug)]
struct Submission {
    change: Change,
    submitted_at: Instant,
    reply: oneshot::Sender<StoreResult<Verdict>>,
}

impl Committer {
    pub(crate) fn start(database: Database, waker: Waker) -> Self {
        let (requests, request_queue) = BatchQueue::channel(Duration::ZERO);
        let (tasks, settlement_interval) = match database.backend() {
            DbBackend::Sqlite => (1, SQLITE_SETTLEMENT_INTERVAL),
            _ => (4, SETTLEMENT_INTERVAL),
        };
        let (settlements, settlement_queue) = BatchQueue::channel(settlement_interval);
        let task = CommitTask { database, waker };
        for _ in 0..tasks {
            tokio::spawn(task.clone().run(request_queue.clone()));
            tokio::spawn(task.clone().run(settlement_queue.clone()));
        }
        Self { requests, settlements }
    }

    pub(crate) async fn apply(&self, change: Change) -> StoreResult<Verdict> {
        let (reply, verdict) = oneshot::channel();
        let ended = || StoreError::Bug("the commit tasks have ended".to_owned());
        let queue = if change.settlement.is_some() { &self.settlements } else { &self.requests };
        let submission = Submission { change, submitted_at: Instant::now(), reply };
        queue.send(submission).await.map_err(|_| ended())?;
        verdict.await.map_err(|_| ended())?
    }
}

#[derive(Clone)]
struct CommitTask {
    database: Database,
    waker: Waker,
}

/// The result of one attempt at a transaction.
enum TransactionResult {
    Committed,
    RolledBack(WriteError),
    /// COMMIT was sent and its result is unknown: the connection was lost or the server did not
    /// answer in time.
    Unknown(DbErr),
}

impl CommitTask {
    async fn run(self, mut queue: BatchQueue<Submission>) {
        while let Some(group) = queue.next_batch(GROUP_SIZE).await {
            self.commit(group).await;
        }
    }

    /// Commits a group, or its parts, in the order of submission.
    async fn commit(&self, group: Vec<Submission>) {
        // Changes that have waited for a whole retry window, because the database is unavailable,
        // do not wait for another one.
        let (expired, group) =
            group.into_iter().partition(|s| s.submitted_at.elapsed() > RETRY_WINDOW);
        self.reply(expired, Err(WriteError::Database(timed_out())));
        let mut pending = vec![group];
        while let Some(mut group) = pending.pop() {
            if group.is_empty() {
                continue;
            }
            let changes: Vec<&Change> = group.iter().map(|s| &s.change).collect();
            match self.apply(&changes).await {
                Err(error) if group.len() > 1 && error.may_concern_one_change() => {
                    let second_half = group.split_off(group.len() / 2);
                    pending.extend([second_half, group]);
                }
                result => self.reply(group, result),
            }
        }
    }

    fn reply(&self, group: Vec<Submission>, result: Result<(), WriteError>) {
        let verdict = match result {
            Ok(()) => Ok(Verdict::Applied),
            Err(error) => error.verdict().map_err(store_error),
        };
        if matches!(verdict, Ok(Verdict::Applied))
            && group.iter().any(|s| !s.change.jobs.is_empty() || !s.change.operations.is_empty())
        {
            self.waker.wake();
        }
        for submission in group {
            // The caller may have stopped waiting. The change stays applied.
            let _ = submission.reply.send(verdict.clone());
        }
    }

    /// Applies a group in one transaction, and retries it while that may help.
    async fn apply(&self, changes: &[&Change]) -> Result<(), WriteError> {
        let mut retry = Retry::new();
        let mut may_be_committed = false;
        loop {
            let error = match self.attempt(changes).await {
                TransactionResult::Committed => return Ok(()),
                TransactionResult::RolledBack(WriteError::Database(error)) => error,
                // The conflict may be with the rows of an earlier attempt.
                TransactionResult::RolledBack(_)
                    if may_be_committed && self.is_committed(changes).await? =>
                {
                    return Ok(());
                }
                TransactionResult::RolledBack(error) => return Err(error),
                TransactionResult::Unknown(error) => {
                    tracing::warn!(%error, "the result of a commit is unknown");
                    may_be_committed = true;
                    error
                }
            };
            let retries = retry.wait(classify(&error)).await;
            if may_be_committed && self.is_committed(changes).await.unwrap_or(false) {
                return Ok(());
            }
            if !retries {
                return Err(WriteError::Database(error));
            }
            tracing::debug!(%error, "retrying a commit");
        }
    }

    /// Returns whether the changes are in the database. The pool hands out no connection with an
    /// open transaction, whose uncommitted rows would be visible.
    async fn is_committed(&self, changes: &[&Change]) -> Result<bool, DbErr> {
        commit_recovery::is_committed(self.database.write(), changes).await
    }

    async fn attempt(&self, changes: &[&Change]) -> TransactionResult {
        let health = self.database.health();
        let write = async {
            match self.write(changes).await {
                Err(WriteError::Database(error)) => Err(error),
                result => Ok(result),
            }
        };
        let tx = match health.watch(Box::pin(self.with_timeout(write))).await {
            Ok(Ok(tx)) => tx,
            Ok(Err(error)) => return TransactionResult::RolledBack(error),
            Err(error) => {
                health.write_failed(&error);
                return TransactionResult::RolledBack(WriteError::Database(error));
            }
        };
        match health.watch(self.with_timeout(tx.commit())).await {
            Ok(()) => {
                health.write_succeeded();
                TransactionResult::Committed
            }
            Err(error) => {
                health.write_failed(&error);
                Self::after_failed_commit(error)
            }
        }
    }

    /// Runs a call with [`TRANSACTION_TIMEOUT`]. After a timeout the open connections are discarded
    /// before the call is dropped, so that its connection does not return to the pool.
    async fn with_timeout<T>(
        &self,
        call: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let mut call = std::pin::pin!(call);
        if let Ok(result) = timeout(TRANSACTION_TIMEOUT, &mut call).await {
            return result;
        }
        self.database.health().discard_connections();
        Err(timed_out())
    }

    /// A failed COMMIT was rolled back for certain if SQLite reports the error, or if a server
    /// reports a deadlock (1213), which Galera detects at COMMIT. Other errors of a server, such as
    /// 1180, 1317 or those of a proxy, may follow a successful commit.
    fn after_failed_commit(error: DbErr) -> TransactionResult {
        match error_code(&error) {
            Some(ErrorCode::Sqlite(_) | ErrorCode::MySql(1213)) => {
                TransactionResult::RolledBack(WriteError::Database(error))
            }
            _ => TransactionResult::Unknown(error),
        }
    }

    async fn write(&self, changes: &[&Change]) -> Result<DatabaseTransaction, WriteError> {
        let tx = self.database.begin().await?;
        if let Err(error) = transaction::write(&tx, changes).await {
            // If the rollback fails, the pool closes the connection.
            let _ = tx.rollback().await;
            return Err(error);
        }
        Ok(tx)
    }
}
