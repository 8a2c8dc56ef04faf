//! Batching of searches for identities, of which Stytch allows few per minute: requests that arrive
//! at about the same time share one search, and searches are throttled.
//!
//! Searches run in tasks of their own, so a request that is cancelled or a search that panics costs
//! no other request its result.

use std::{collections::HashMap, future::Future, pin::Pin, sync::Arc, time::Duration};

use guestlist_domain::{Email, Identity, ProviderError};
use parking_lot::Mutex;
use tokio::{sync::oneshot, task::JoinHandle, time::sleep};

use crate::http::error::{Idempotency, RequestError, classify};
use crate::http::responses::SearchPage;
use crate::throttle::Throttle;

/// The largest number of addresses in one search.
const MAX_ADDRESSES: usize = 100;
/// The time that the first request waits for others.
const BATCH_DELAY: Duration = Duration::from_millis(50);
/// The interval between searches: Stytch allows 150 per minute.
const INTERVAL: Duration = Duration::from_millis(400);
/// The number of pages after which a search that does not end is an error.
const MAX_PAGES: usize = 5;

type SearchResult<T> = Result<T, ProviderError>;

/// Returns the page at a cursor of a search for addresses.
type SearchFn = dyn Fn(Vec<Email>, Option<String>) -> PageFuture + Send + Sync;
type PageFuture = Pin<Box<dyn Future<Output = SearchResult<SearchPage>> + Send>>;

pub(crate) struct SearchBatcher(Arc<Shared>);

struct Shared {
    search: Box<SearchFn>,
    queue: Mutex<Queue>,
    throttle: Throttle,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Request>,
    /// The task that processes the queue until it is empty.
    worker: Option<JoinHandle<()>>,
}

struct Request {
    email: Email,
    reply: oneshot::Sender<SearchResult<Option<Identity>>>,
}

impl SearchBatcher {
    pub(crate) fn new<F>(
        search: impl Fn(Vec<Email>, Option<String>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = SearchResult<SearchPage>> + Send + 'static,
    {
        let search: Box<SearchFn> =
            Box::new(move |emails, cursor| Box::pin(search(emails, cursor)));
        let (queue, throttle) = (Mutex::default(), Throttle::new(INTERVAL));
        Self(Arc::new(Shared { search, queue, throttle }))
    }

    /// Waits until a search outside of the batches may be sent.
    pub(crate) async fn acquire(&self) {
        self.0.throttle.acquire().await;
    }

    /// Returns the identity of an address, from a search that starts after this call.
    pub(crate) async fn find(&self, email: &Email) -> SearchResult<Option<Identity>> {
        let (reply, result) = oneshot::channel();
        self.enqueue(Request { email: email.clone(), reply });
        result.await.unwrap_or_else(|_| Err(search_panicked()))
    }

    fn enqueue(&self, request: Request) {
        let mut queue = self.0.queue.lock();
        queue.waiting.push(request);
        if queue.worker.as_ref().is_none_or(JoinHandle::is_finished) {
            queue.worker = Some(tokio::spawn(process(Arc::clone(&self.0))));
        }
    }
}

async fn process(shared: Arc<Shared>) {
    while shared.has_requests() {
        sleep(BATCH_DELAY).await;
        shared.throttle.acquire().await;
        let (emails, batch) = shared.next_batch();
        if emails.is_empty() {
            continue;
        }
        let searcher = Arc::clone(&shared);
        let search = tokio::spawn(async move {
            let found = searcher.find_all(&emails).await;
            for Request { email, reply } in batch {
                let identity = found.as_ref().map(|found| found.get(&email).cloned());
                // The request may have been cancelled.
                let _ = reply.send(identity.map_err(Clone::clone));
            }
        });
        if search.await.is_err() {
            tracing::error!("a search for identities panicked");
        }
    }
}

impl Shared {
    /// Returns whether requests are waiting. If not, the worker must end.
    fn has_requests(&self) -> bool {
        let mut queue = self.queue.lock();
        if queue.waiting.is_empty() {
            queue.worker = None;
        }
        !queue.waiting.is_empty()
    }

    /// Takes the requests of one search, without cancelled ones, and their distinct addresses.
    fn next_batch(&self) -> (Vec<Email>, Vec<Request>) {
        let mut queue = self.queue.lock();
        let mut emails = Vec::new();
        let (batch, rest) = std::mem::take(&mut queue.waiting)
            .into_iter()
            .filter(|request| !request.reply.is_closed())
            .partition(|request| {
                if emails.contains(&request.email) {
                    return true;
                }
                let has_room = emails.len() < MAX_ADDRESSES;
                if has_room {
                    emails.push(request.email.clone());
                }
                has_room
            });
        queue.waiting = rest;
        (emails, batch)
    }

    /// Reads pages until all addresses are found. Only the last page shows that one is not.
    async fn find_all(&self, emails: &[Email]) -> SearchResult<HashMap<Email, Identity>> {
        let (mut found, mut cursor) = (HashMap::new(), None);
        for page in 1..=MAX_PAGES {
            if page > 1 {
                self.throttle.acquire().await;
            }
            let SearchPage { identities, next } = (self.search)(emails.to_vec(), cursor).await?;
            found.extend(identities);
            if next.is_none() || emails.iter().all(|email| found.contains_key(email)) {
                return Ok(found);
            }
            cursor = next;
        }
        let why = format!("the search did not end with page {MAX_PAGES}");
        let error = RequestError::InvalidResponse { why, request_id: None };
        Err(classify(error, Idempotency::Idempotent))
    }
}

fn search_panicked() -> ProviderError {
    let error = RequestError::ConnectionLost("the search panicked".to_owned());
    classify(error, Idempotency::Idempotent)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use futures::{
        future::{LocalBoxFuture, join_all},
        poll,
    };
    use tokio::sync::Semaphore;

    use super::*;

    /// A batcher that records its searches and ends one per permit.
    struct TestBatcher {
        searches: SearchBatcher,
        recorded: Receiver<Vec<String>>,
        gate: Arc<Semaphore>,
    }

    impl TestBatcher {
        /// Finds every address except that of `nobody`; panics at that of `panic`.
        fn new() -> Self {
            let (sender, recorded) = channel();
            let gate = Arc::new(Semaphore::new(0));
            let search_gate = Arc::clone(&gate);
            let searches = SearchBatcher::new(move |emails, _| {
                sender
                    .send(emails.iter().map(|email| email.as_str().to_owned()).collect())
                    .unwrap();
                let gate = Arc::clone(&search_gate);
                async move {
                    gate.acquire().await.unwrap().forget();
                    assert!(!emails.contains(&email("panic")), "panics as requested");
                    let known = emails.into_iter().filter(|known| *known != email("nobody"));
                    let identities = known.map(|email| (email.clone(), identity(&email))).collect();
                    Ok(SearchPage { identities, next: None })
                }
            });
            Self { searches, recorded, gate }
        }

        fn find(&self, name: &str) -> LocalBoxFuture<'_, SearchResult<Option<Identity>>> {
            let email = email(name);
            Box::pin(async move { self.searches.find(&email).await })
        }

        /// Waits for the next search and returns its addresses.
        async fn next_search(&self) -> Vec<String> {
            loop {
                if let Ok(addresses) = self.recorded.try_recv() {
                    return addresses;
                }
                tokio::task::yield_now().await;
            }
        }
    }

    fn email(name: &str) -> Email {
        Email::parse(&format!("{name}@example.com")).unwrap()
    }

    fn identity(email: &Email) -> Identity {
        Identity { provider_user_id: format!("user of {}", email.as_str()), created_at: None }
    }

    #[tokio::test]
    async fn requests_during_a_search_share_the_next_one() {
        let t = TestBatcher::new();
        let mut first = t.find("ada");
        assert!(poll!(&mut first).is_pending());
        assert_eq!(t.next_search().await, ["ada@example.com"]);
        // Even the same address is searched again: the current search may have missed a new user.
        let mut others: Vec<_> = ["ada", "bob", "nobody", "bob"].map(|name| t.find(name)).into();
        for other in &mut others {
            assert!(poll!(other).is_pending());
        }
        t.gate.add_permits(2);
        assert_eq!(first.await.unwrap(), Some(identity(&email("ada"))));
        let found = join_all(others).await.into_iter().map(Result::unwrap);
        let expected = ["ada", "bob", "nobody", "bob"]
            .map(|name| Some(identity(&email(name))).filter(|_| name != "nobody"));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        let searches: Vec<_> = t.recorded.try_iter().collect();
        assert_eq!(searches, [["ada@example.com", "bob@example.com", "nobody@example.com"]]);
    }

    #[tokio::test]
    async fn a_cancelled_request_does_not_affect_others() {
        let t = TestBatcher::new();
        let (mut first, mut second) = (t.find("first"), t.find("second"));
        let (mut third, mut fourth) = (t.find("third"), t.find("fourth"));
        for one in [&mut first, &mut second, &mut third] {
            assert!(poll!(one).is_pending());
        }
        // The first is cancelled before the search that it caused, the second during it.
        tokio::task::yield_now().await;
        drop(first);
        assert_eq!(t.next_search().await, ["second@example.com", "third@example.com"]);
        drop(second);
        assert!(poll!(&mut fourth).is_pending());
        t.gate.add_permits(2);
        assert_eq!(third.await.unwrap(), Some(identity(&email("third"))));
        assert_eq!(fourth.await.unwrap(), Some(identity(&email("fourth"))));
    }

    #[tokio::test]
    async fn a_search_that_panics_fails_its_requests() {
        let t = TestBatcher::new();
        let (mut one, mut two) = (t.find("panic"), t.find("ada"));
        assert!(poll!(&mut one).is_pending() && poll!(&mut two).is_pending());
        t.next_search().await;
        let mut three = t.find("bob");
        assert!(poll!(&mut three).is_pending());
        t.gate.add_permits(2);
        for error in [one.await.unwrap_err(), two.await.unwrap_err()] {
            assert_eq!((error.kind, error.code.as_str()), (search_panicked().kind, "reset"));
        }
        assert_eq!(three.await.unwrap(), Some(identity(&email("bob"))));
    }

    #[tokio::test]
    async fn requests_beyond_the_limit_are_in_the_next_search() {
        let t = TestBatcher::new();
        t.gate.add_permits(2);
        let names: Vec<_> = (0..=MAX_ADDRESSES).map(|n| format!("user{n}")).collect();
        let found = join_all(names.iter().map(|name| t.find(name))).await;
        for (name, found) in names.iter().zip(found) {
            assert_eq!(found.unwrap(), Some(identity(&email(name))));
        }
        let lengths: Vec<_> = t.recorded.try_iter().map(|addresses| addresses.len()).collect();
        assert_eq!(lengths, [MAX_ADDRESSES, 1]);
    }
}
