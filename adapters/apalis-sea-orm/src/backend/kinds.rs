//! From a job's kind to the function that performs it.

use std::{collections::HashMap, error::Error, fmt, sync::Arc, time::Duration};

use apalis_core::error::BoxDynError;
use futures::{FutureExt, future::BoxFuture};

use super::answer::{Answer, Handled};
use crate::Claimed;

type Performing = BoxFuture<'static, Result<Handled, BoxDynError>>;

/// A worker's handlers by kind. Give it to the worker as data, and call [`perform`](Self::perform)
/// from its handler.
///
/// ```
/// # use apalis_core::{error::BoxDynError, task::data::Data};
/// use apalis_sea_orm::{Claimed, Handled, Kinds};
///
/// async fn welcome(job: Claimed) -> Result<(), BoxDynError> {
///     let to: String = job.decode()?;
///     println!("welcome, {to}");
///     Ok(())
/// }
/// async fn perform(job: Claimed, kinds: Data<Kinds>) -> Result<Handled, BoxDynError> {
///     kinds.perform(job).await
/// }
/// let kinds = Kinds::default().with("welcome", welcome);
/// ```
#[derive(Clone, Default)]
pub struct Kinds(HashMap<String, Arc<dyn Fn(Claimed) -> Performing + Send + Sync>>);

impl Kinds {
    /// Adds a kind.
    #[must_use]
    pub fn with<F, A>(
        mut self,
        kind: &str,
        handler: impl Fn(Claimed) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<A, BoxDynError>> + Send + 'static,
        A: Answer,
    {
        let perform = move |job| {
            let performing = handler(job);
            async { performing.await.map(|answer| answer.handled()) }.boxed()
        };
        self.0.insert(kind.to_owned(), Arc::new(perform));
        self
    }

    /// Performs a job by the handler of its kind. One of a kind that is not here (another version
    /// of the program may know it) is tried again after a minute, uncharged, with the error code
    /// `unknown_kind`.
    pub async fn perform(&self, job: Claimed) -> Result<Handled, BoxDynError> {
        let Some(perform) = self.0.get(&job.kind) else {
            tracing::error!(kind = %job.kind, job = %job.id, "a job of an unknown kind waits");
            return Err(UnknownKind(job.kind).into());
        };
        perform(job).await
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A handler's error for a kind it does not know: the job waits for one that does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKind(pub String);

impl UnknownKind {
    pub(super) const WAIT: Duration = Duration::from_mins(1);
}

impl Error for UnknownKind {}

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this worker does not know the kind {:?}", self.0)
    }
}
