//! Fakes and helpers: a scripted provider, a manual clock, and a worker. None of them ever waits, so
//! that tests need no runtime.

pub(crate) mod errors;
mod fake_provider;
mod identities;
mod ids;
mod jwt;
mod queries;
mod simulation;
mod worker;

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub(crate) use fake_provider::{Call, FakeProvider, Fault};
pub(crate) use guestlist_domain::JobState;
pub(crate) use identities::{Link, Mail, MailKind};
pub(crate) use in_memory_store::{Hook, InMemoryStore, JobRow, Tables};
pub(crate) use simulation::{Simulation, at, metadata, named, place};
pub(crate) use worker::{InFlight, Interruption};

/// Runs a future that never waits.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("nothing here waits"),
    }
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn mins(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

pub(crate) fn hours(hours: u64) -> Duration {
    Duration::from_hours(hours)
}

pub(crate) fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}
