//! What handlers return, and the selection of a handler by the job's kind.

use std::{collections::HashMap, error::Error, fmt, sync::Arc};

use apalis_core::error::BoxDynError;
use futures::{FutureExt, future::BoxFuture};

use crate::queue::{attempt::AttemptOutcome, claim::ClaimedJob};

/// What a handler has achieved. A handler may also return what converts to it: `()` if the job is
/// done, or an [`AttemptOutcome`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// The handler has settled the job with [`settle`](crate::settle), or leaves it until its lease
    /// ends.
    Settled,
    /// The worker settles the job with this outcome. A retry after the last attempt becomes dead.
    Outcome(AttemptOutcome),
}

impl From<()> for Handled {
    fn from((): ()) -> Self {
        Handled::Outcome(AttemptOutcome::Done)
    }
}

impl From<AttemptOutcome> for Handled {
    fn from(outcome: AttemptOutcome) -> Self {
        Handled::Outcome(outcome)
    }
}

type Handler =
    Arc<dyn Fn(ClaimedJob) -> BoxFuture<'static, Result<Handled, BoxDynError>> + Send + Sync>;

/// A worker's handlers by kind. Pass it to the worker as data, and call [`handle`](Self::handle) in
/// the worker's handler.
///
/// ```
/// # use apalis_core::{error::BoxDynError, task::data::Data};
/// use apalis_sea_orm::{ClaimedJob, Handled, Handlers};
///
/// async fn welcome(job: ClaimedJob) -> Result<(), BoxDynError> {
///     let to: String = job.decode()?;
///     println!("welcome, {to}");
///     Ok(())
/// }
/// async fn handle(job: ClaimedJob, handlers: Data<Handlers>) -> Result<Handled, BoxDynError> {
///     handlers.handle(job).await
/// }
/// let handlers = Handlers::default().with("welcome", welcome);
/// ```
#[derive(Clone, Default)]
pub struct Handlers(HashMap<String, Handler>);

impl Handlers {
    /// Adds the handler of a kind.
    #[must_use]
    pub fn with<F, O>(
        mut self,
        kind: &str,
        handler: impl Fn(ClaimedJob) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<O, BoxDynError>> + Send + 'static,
        O: Into<Handled>,
    {
        let handler = move |job| handler(job).map(|result| result.map(Into::into)).boxed();
        self.0.insert(kind.to_owned(), Arc::new(handler));
        self
    }

    /// Passes a job to the handler of its kind.
    ///
    /// # Errors
    ///
    /// Returns the handler's error, or [`UnknownKind`] if there is no handler.
    pub async fn handle(&self, job: ClaimedJob) -> Result<Handled, BoxDynError> {
        let Some(handler) = self.0.get(&job.kind) else {
            tracing::error!(kind = %job.kind, job = %job.id, "job snoozed: its kind is unknown");
            return Err(UnknownKind(job.kind).into());
        };
        handler(job).await
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The error for a job of a kind that the worker does not know. The job is snoozed for a minute, and
/// runs on a worker that knows the kind, such as one of a newer version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKind(pub String);

impl UnknownKind {
    /// The error code that is recorded.
    pub const CODE: &'static str = "unknown_kind";
}

impl Error for UnknownKind {}

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this worker has no handler for the kind {:?}", self.0)
    }
}
