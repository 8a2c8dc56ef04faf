//! Selects a handler by the job's kind.

use std::{collections::HashMap, fmt, sync::Arc};

use apalis_core::error::BoxDynError;
use futures::{FutureExt, future::BoxFuture};

use super::handler_output::{Handled, HandlerOutput, UnknownKind};
use crate::queue::claim::ClaimedJob;

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
        O: HandlerOutput,
    {
        let handler = move |job| {
            let result = handler(job);
            async { result.await.map(|output| output.handled()) }.boxed()
        };
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
