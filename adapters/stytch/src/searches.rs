//! Searches for identities, of which Stytch allows few a minute: those who ask at about the same
//! time share one, and searches keep their distance.
//!
//! They are made in tasks of their own, so one who stops waiting, or a search that breaks off,
//! costs nobody else an answer.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use guestlist_domain::{Email, Identity, ProviderError};
use tokio::{sync::oneshot, task::JoinHandle, time::sleep};

use crate::{
    error::{Repeat, Trouble, classify},
    pace::Pace,
};

/// Addresses of one search.
const MOST: usize = 100;
/// How long the first who asks waits for others.
const GATHER: Duration = Duration::from_millis(50);
/// Between the beginnings of two searches: Stytch allows 150 a minute.
const APART: Duration = Duration::from_millis(400);
/// A search whose end does not come after so many pages is none.
const MOST_PAGES: usize = 5;

type Answer<T> = Result<T, ProviderError>;

/// The page of a search for these addresses that begins at a cursor.
type Search = dyn Fn(Vec<Email>, Option<String>) -> SearchedPage + Send + Sync;
type SearchedPage = Pin<Box<dyn Future<Output = Answer<FoundPage>> + Send>>;

/// A part of what a search found.
pub(crate) struct FoundPage {
    /// By address; also of people's other addresses, which nobody asked for.
    pub(crate) identities: HashMap<Email, Identity>,
    /// Where the next part begins, if there is one.
    pub(crate) next: Option<String>,
}

/// Everybody's searches.
pub(crate) struct Searches(Arc<Shared>);

struct Shared {
    search: Box<Search>,
    desk: Mutex<Desk>,
    pace: Pace,
}

#[derive(Default)]
struct Desk {
    waiting: Vec<Wanted>,
    /// Serves until nobody waits.
    clerk: Option<JoinHandle<()>>,
}

struct Wanted {
    email: Email,
    answer: oneshot::Sender<Answer<Option<Identity>>>,
}

impl Searches {
    pub(crate) fn new<F>(
        search: impl Fn(Vec<Email>, Option<String>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Answer<FoundPage>> + Send + 'static,
    {
        let search: Box<Search> = Box::new(move |emails, cursor| Box::pin(search(emails, cursor)));
        let (desk, pace) = (Mutex::default(), Pace::new(APART));
        Self(Arc::new(Shared { search, desk, pace }))
    }

    /// Waits until a search of another kind may be made.
    pub(crate) async fn turn(&self) {
        self.0.pace.turn().await;
    }

    /// Who has the address, as of a search that begins after this was asked.
    pub(crate) async fn find(&self, email: &Email) -> Answer<Option<Identity>> {
        let (answer, answered) = oneshot::channel();
        self.ask(Wanted { email: email.clone(), answer });
        answered.await.unwrap_or_else(|_| Err(broken_off()))
    }

    fn ask(&self, wanted: Wanted) {
        let mut desk = lock(&self.0.desk);
        desk.waiting.push(wanted);
        if desk.clerk.as_ref().is_none_or(JoinHandle::is_finished) {
            desk.clerk = Some(tokio::spawn(serve(Arc::clone(&self.0))));
        }
    }
}

async fn serve(shared: Arc<Shared>) {
    while shared.is_wanted() {
        sleep(GATHER).await;
        shared.pace.turn().await;
        let (emails, group) = shared.next_group();
        if emails.is_empty() {
            continue;
        }
        let searching = Arc::clone(&shared);
        let search = tokio::spawn(async move {
            let found = searching.find_all(&emails).await;
            for Wanted { email, answer } in group {
                let identity = found.as_ref().map(|found| found.get(&email).cloned());
                // Whoever asked may have stopped waiting.
                let _ = answer.send(identity.map_err(Clone::clone));
            }
        });
        if search.await.is_err() {
            tracing::error!("a search for identities broke off");
        }
    }
}

impl Shared {
    /// Whether anybody waits; if not, the clerk has left.
    fn is_wanted(&self) -> bool {
        let mut desk = lock(&self.desk);
        if desk.waiting.is_empty() {
            desk.clerk = None;
        }
        !desk.waiting.is_empty()
    }

    /// Those who still wait, as many as one search serves, and their addresses, each once.
    fn next_group(&self) -> (Vec<Email>, Vec<Wanted>) {
        let mut desk = lock(&self.desk);
        let mut emails = Vec::new();
        let (group, rest) = std::mem::take(&mut desk.waiting)
            .into_iter()
            .filter(|wanted| !wanted.answer.is_closed())
            .partition(|wanted| {
                if emails.contains(&wanted.email) {
                    return true;
                }
                let has_room = emails.len() < MOST;
                if has_room {
                    emails.push(wanted.email.clone());
                }
                has_room
            });
        desk.waiting = rest;
        (emails, group)
    }

    /// All pages. That an address is not found is known only from the last one.
    async fn find_all(&self, emails: &[Email]) -> Answer<HashMap<Email, Identity>> {
        let (mut found, mut cursor) = (HashMap::new(), None);
        for page in 1..=MOST_PAGES {
            if page > 1 {
                self.pace.turn().await;
            }
            let FoundPage { identities, next } = (self.search)(emails.to_vec(), cursor).await?;
            found.extend(identities);
            if next.is_none() || emails.iter().all(|email| found.contains_key(email)) {
                return Ok(found);
            }
            cursor = next;
        }
        let why = format!("the search did not end with page {MOST_PAGES}");
        Err(classify(Trouble::BadAnswer { why, request_id: None }, Repeat::Harmless))
    }
}

fn broken_off() -> ProviderError {
    classify(Trouble::Broken("the search broke off".to_owned()), Repeat::Harmless)
}

/// None of these locks is held over anything that can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// What was searched for, and how many searches may end.
    struct Watched {
        searches: Searches,
        asked: Receiver<Vec<String>>,
        gate: Arc<Semaphore>,
    }

    impl Watched {
        /// Knows everybody but `nobody`, and panics at `panic`.
        fn new() -> Self {
            let (asking, asked) = channel();
            let gate = Arc::new(Semaphore::new(0));
            let at_gate = Arc::clone(&gate);
            let searches = Searches::new(move |emails, _| {
                asking
                    .send(emails.iter().map(|email| email.as_str().to_owned()).collect())
                    .unwrap();
                let gate = Arc::clone(&at_gate);
                async move {
                    gate.acquire().await.unwrap().forget();
                    assert!(!emails.contains(&email("panic")), "as asked");
                    let known = emails.into_iter().filter(|one| *one != email("nobody"));
                    let identities = known.map(|email| (email.clone(), identity(&email))).collect();
                    Ok(FoundPage { identities, next: None })
                }
            });
            Self { searches, asked, gate }
        }

        fn find(&self, name: &str) -> LocalBoxFuture<'_, Answer<Option<Identity>>> {
            let email = email(name);
            Box::pin(async move { self.searches.find(&email).await })
        }

        /// The addresses of the next search, which is under way.
        async fn next_search(&self) -> Vec<String> {
            loop {
                if let Ok(asked) = self.asked.try_recv() {
                    return asked;
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
    async fn those_who_ask_while_a_search_is_under_way_share_the_next() {
        let t = Watched::new();
        let mut first = t.find("ada");
        assert!(poll!(&mut first).is_pending());
        assert_eq!(t.next_search().await, ["ada@example.com"]);
        // As of a search that begins later: the one under way may have missed what is new.
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
        let asked: Vec<_> = t.asked.try_iter().collect();
        assert_eq!(asked, [["ada@example.com", "bob@example.com", "nobody@example.com"]]);
    }

    #[tokio::test]
    async fn who_stops_waiting_disturbs_nobody() {
        let t = Watched::new();
        let (mut first, mut second) = (t.find("first"), t.find("second"));
        let (mut third, mut fourth) = (t.find("third"), t.find("fourth"));
        for one in [&mut first, &mut second, &mut third] {
            assert!(poll!(one).is_pending());
        }
        // Before the search, though they made it begin; and while it is under way.
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
    async fn a_search_that_panics_leaves_nobody_waiting() {
        let t = Watched::new();
        let (mut one, mut two) = (t.find("panic"), t.find("ada"));
        assert!(poll!(&mut one).is_pending() && poll!(&mut two).is_pending());
        t.next_search().await;
        let mut three = t.find("bob");
        assert!(poll!(&mut three).is_pending());
        t.gate.add_permits(2);
        for error in [one.await.unwrap_err(), two.await.unwrap_err()] {
            assert_eq!((error.kind, error.code.as_str()), (broken_off().kind, "reset"));
        }
        assert_eq!(three.await.unwrap(), Some(identity(&email("bob"))));
    }

    #[tokio::test]
    async fn those_whom_a_search_has_no_room_for_are_first_in_the_next() {
        let t = Watched::new();
        t.gate.add_permits(2);
        let names: Vec<_> = (0..=MOST).map(|n| format!("user{n}")).collect();
        let found = join_all(names.iter().map(|name| t.find(name))).await;
        for (name, found) in names.iter().zip(found) {
            assert_eq!(found.unwrap(), Some(identity(&email(name))));
        }
        let lengths: Vec<_> = t.asked.try_iter().map(|asked| asked.len()).collect();
        assert_eq!(lengths, [MOST, 1]);
    }
}
