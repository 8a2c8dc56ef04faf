//! Changes that arrive together are committed together, with one verdict each.
//!
//! A group is what arrived while the last commit ran, so a lone change is never made to wait for
//! company. When a group is refused it is split in halves until the change that cannot be
//! applied stands alone: its conflict is its own, never its neighbours'.

use std::time::Duration;

use apalis_sea_orm::Waker;
use guestlist_domain::{Change, StoreError, Verdict};
use sea_orm::{DatabaseTransaction, DbBackend, DbErr};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::apply::{self, Refusal};
use crate::connect::Database;
use crate::errors::{class, is_rolled_back, same, sqlx_error, store_error};
use crate::inbox::Inbox;
use crate::retry::{PATIENCE, Tries};
use crate::traces;

/// Changes of one commit.
const GROUP: usize = 64;
/// PlanetScale ends a transaction after as long; a server that went silent is left then, too.
const LONGEST: Duration = Duration::from_secs(20);

/// The tasks that commit. They end, with what they were given done, once this is dropped.
#[derive(Debug)]
pub(crate) struct Committers {
    inbox: mpsc::Sender<Submission>,
}

#[derive(Debug)]
struct Submission {
    change: Change,
    since: Instant,
    answer: oneshot::Sender<Result<Verdict, StoreError>>,
}

impl Committers {
    pub(crate) fn start(database: Database, waker: Waker) -> Self {
        let (sender, inbox) = Inbox::open();
        let committers = match database.backend() {
            DbBackend::Sqlite => 1,
            _ => 4,
        };
        let committer = Committer { database, waker };
        for _ in 0..committers {
            tokio::spawn(committer.clone().run(inbox.clone()));
        }
        Self { inbox: sender }
    }

    pub(crate) async fn apply(&self, change: Change) -> Result<Verdict, StoreError> {
        let (answer, answered) = oneshot::channel();
        let gone = || StoreError::Bug("the committer has ended".to_owned());
        self.inbox
            .send(Submission { change, since: Instant::now(), answer })
            .await
            .map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

#[derive(Clone)]
struct Committer {
    database: Database,
    waker: Waker,
}

/// How an attempt at a transaction ended.
enum Tried {
    Committed,
    Refused(Refusal),
    /// COMMIT was sent and its answer is unknown: the connection was lost, or the server took too
    /// long.
    Doubtful(DbErr),
}

impl Committer {
    async fn run(self, inbox: Inbox<Submission>) {
        while let Some(group) = inbox.next(GROUP).await {
            self.commit(group).await;
        }
    }

    /// Commits a group, or its halves, in the order in which they came.
    async fn commit(&self, group: Vec<Submission>) {
        // While the database is away, those who wait do not wait for each other's patience.
        let (late, group) = group.into_iter().partition(|s| s.since.elapsed() > PATIENCE);
        self.answer(late, Err(Refusal::Failed(silent())));
        let mut waiting = vec![group];
        while let Some(mut group) = waiting.pop() {
            if group.is_empty() {
                continue;
            }
            let changes: Vec<&Change> = group.iter().map(|s| &s.change).collect();
            match self.apply(&changes).await {
                Err(refusal) if group.len() > 1 && refusal.may_be_of_one() => {
                    let later = group.split_off(group.len() / 2);
                    waiting.extend([later, group]);
                }
                applied => self.answer(group, applied),
            }
        }
    }

    fn answer(&self, group: Vec<Submission>, applied: Result<(), Refusal>) {
        let verdict = match applied {
            Ok(()) => Ok(Verdict::Applied),
            Err(refusal) => refusal.verdict().map_err(store_error),
        };
        if matches!(verdict, Ok(Verdict::Applied))
            && group.iter().any(|s| !s.change.jobs.is_empty() || !s.change.operations.is_empty())
        {
            self.waker.wake();
        }
        for submission in group {
            let verdict = verdict.as_ref().map_or_else(|error| Err(same(error)), |v| Ok(*v));
            // Whoever asked may have stopped waiting; what was committed stays.
            let _ = submission.answer.send(verdict);
        }
    }

    /// Applies a group whole, trying again while that may help.
    async fn apply(&self, changes: &[&Change]) -> Result<(), Refusal> {
        let mut tries = Tries::new();
        let mut doubtful = false;
        loop {
            let error = match self.transaction(changes).await {
                Tried::Committed => return Ok(()),
                Tried::Refused(Refusal::Failed(error)) => error,
                // What stands in the way may be our own earlier try.
                Tried::Refused(_) if doubtful && self.found(changes).await? => return Ok(()),
                Tried::Refused(refusal) => return Err(refusal),
                Tried::Doubtful(error) => {
                    tracing::warn!(%error, "the answer to a commit was lost");
                    doubtful = true;
                    error
                }
            };
            let again = tries.again(class(&error)).await;
            if doubtful && self.found(changes).await.unwrap_or(false) {
                return Ok(());
            }
            if !again {
                return Err(Refusal::Failed(error));
            }
            tracing::debug!(%error, "trying a commit again");
        }
    }

    /// Whether the changes are in the database. The pool hands out no connection whose transaction
    /// is still open, which would show its own uncommitted rows.
    async fn found(&self, changes: &[&Change]) -> Result<bool, DbErr> {
        traces::found(self.database.write(), changes).await
    }

    async fn transaction(&self, changes: &[&Change]) -> Tried {
        let health = self.database.health();
        let write = async {
            match self.write(changes).await {
                Err(Refusal::Failed(error)) => Err(error),
                written => Ok(written),
            }
        };
        let tx = match health.watch(Box::pin(self.within(LONGEST, write))).await {
            Ok(Ok(tx)) => tx,
            Ok(Err(refusal)) => return Tried::Refused(refusal),
            Err(error) => {
                health.write_failed(&error);
                return Tried::Refused(Refusal::Failed(error));
            }
        };
        match health.watch(self.within(LONGEST, tx.commit())).await {
            Ok(()) => {
                health.write_succeeded();
                Tried::Committed
            }
            Err(error) => {
                health.write_failed(&error);
                self.classify_failed_commit(error)
            }
        }
    }

    /// Runs a call of a transaction, and fails with [`silent`] after a time. The connection is
    /// discarded before the call is dropped, which gives it back to the pool.
    async fn within<T>(
        &self,
        time: Duration,
        call: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let mut call = std::pin::pin!(call);
        if let Ok(result) = timeout(time, &mut call).await {
            return result;
        }
        self.database.health().discard_connections();
        Err(silent())
    }

    /// SQLite answers for itself: what it says was not committed was not. Nor was a transaction that
    /// a server has rolled back. Otherwise a server that answers with an error may have committed
    /// all the same (1180, 1317, a proxy's errors).
    fn classify_failed_commit(&self, error: DbErr) -> Tried {
        let is_answer = sqlx_error(&error).is_some_and(|e| matches!(e, sqlx::Error::Database(_)));
        let is_sqlite = self.database.backend() == DbBackend::Sqlite;
        if is_answer && (is_sqlite || is_rolled_back(&error)) {
            Tried::Refused(Refusal::Failed(error))
        } else {
            Tried::Doubtful(error)
        }
    }

    async fn write(&self, changes: &[&Change]) -> Result<DatabaseTransaction, Refusal> {
        let tx = self.database.begin().await?;
        if let Err(refusal) = apply::write(&tx, changes).await {
            // Where the rollback fails, the pool closes the connection.
            let _ = tx.rollback().await;
            return Err(refusal);
        }
        Ok(tx)
    }
}

fn silent() -> DbErr {
    let why = std::io::Error::new(std::io::ErrorKind::TimedOut, "the database went silent");
    DbErr::Exec(sea_orm::RuntimeErr::SqlxError(sqlx::Error::Io(why).into()))
}
