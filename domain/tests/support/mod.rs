//! What the tests stand on: a house with a store in memory, a played Stytch, a clock that moves
//! when told to, and a worker. None of it ever waits, so the tests are plain functions.

pub(crate) mod errors;
mod house;
mod identities;
mod ids;
mod jobs;
mod jwt;
mod looks;
mod reads;
mod store;
mod stytch;
mod tables;
mod worker;

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub(crate) use guestlist_domain::JobState;
pub(crate) use house::{House, at, metadata, named, place};
pub(crate) use identities::{Link, Mail, MailKind};
pub(crate) use jobs::JobRow;
pub(crate) use store::MemoryStore;
pub(crate) use stytch::{Call, Fault, PlayedStytch};
pub(crate) use tables::Tables;
pub(crate) use worker::{Going, InFlight};

/// What happens at the worst of moments.
type Disturbance = Box<dyn FnOnce() + Send>;

/// Runs what never waits.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
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
