//! The steps of a scenario, and their frequencies.

use guestlist_domain::{HeldBy, QueueName, Role};
use proptest::prelude::*;

use crate::support::{Call, Interruption};

/// The addresses. The last but one is an administrator by configuration; the last one was
/// added as one.
pub(super) const PEOPLE: [&str; 4] = ["ada", "bob", "root", "keeper"];

/// A step of a scenario.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A request.
    Request(Request),
    /// The worker runs this many jobs.
    Work(usize),
    /// A worker performs a job without settling it.
    Begin(Interruption),
    /// A worker settles one of its jobs.
    Settle(usize),
    /// A worker with a job is lost.
    Die(usize),
    /// All leases end, unnoticed by their workers.
    Rescue,
    /// Time passes, in seconds.
    Wait(u64),
    /// The provider fails once, or until it recovers.
    Fail(Call, Failure),
    Outage(Failure),
    Heal,
    /// Another application creates an identity.
    CreateForeignIdentity(&'static str),
    /// An outage of this many seconds ends.
    WaitedOut(HeldBy, u64),
    /// The next change fails with a lost connection.
    LoseDatabase,
    /// Requests are made at a chosen moment.
    Concurrently(Moment, Vec<Request>),
}

/// A request. Numbers select among existing rows, newest first.
#[derive(Debug, Clone)]
pub(super) enum Request {
    Invite(&'static str, Role),
    Resend(&'static str, usize),
    Revoke(&'static str, usize),
    Add(&'static str),
    Remove(&'static str),
    Suspend(&'static str),
    Restore(&'static str),
    GiveRole(&'static str, Role),
    LogIn(&'static str),
    /// Redeems any link, in a browser with or without a session.
    Redeem(usize, Option<usize>),
    RedeemUnknown,
    Visit(&'static str),
    ComeBack(usize),
    LogOut(usize),
    /// Ends the other sessions of a session's user.
    EndOthers(usize),
    EndAll(&'static str),
    Sweep,
    /// Cancels or dismisses a job.
    Cancel(usize),
    /// Retries a job.
    Retry(usize),
    Pause(QueueName),
    Resume(QueueName),
    /// Another worker runs a job.
    Work,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Failure {
    Internal,
    RateLimited,
    Misconfigured,
    Rejected,
    DuplicateEmail,
    AnswerLost,
    CallLost,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    /// Between a flow's reads and its write.
    BeforeApply,
    /// Before a provider call has its effect.
    CallStarted(Call),
    /// After a provider call had its effect, before the answer arrives.
    CallDone(Call),
}

pub(super) fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any_step(), 1..60)
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => any_request().prop_map(Step::Request),
        6 => (1..4_usize).prop_map(Step::Work),
        3 => any_going().prop_map(Step::Begin),
        3 => any_index().prop_map(Step::Settle),
        1 => any_index().prop_map(Step::Die),
        1 => Just(Step::Rescue),
        4 => prop::sample::select(vec![1, 3, 40, 600, 4_000, 90_000]).prop_map(Step::Wait),
        3 => (any_call(), any_failure()).prop_map(|(call, failure)| Step::Fail(call, failure)),
        1 => any_failure().prop_map(Step::Outage),
        1 => Just(Step::Heal),
        1 => any_address().prop_map(Step::CreateForeignIdentity),
        1 => any_hold().prop_map(|by| Step::WaitedOut(by, 20)),
        1 => Just(Step::LoseDatabase),
        4 => (any_moment(), several(any_request()))
            .prop_map(|(when, requests)| Step::Concurrently(when, requests)),
    ]
}

fn several(request: impl Strategy<Value = Request>) -> impl Strategy<Value = Vec<Request>> {
    prop::collection::vec(request, 1..4)
}

fn any_request() -> impl Strategy<Value = Request> {
    let role = || prop::sample::select(Role::ALL);
    prop_oneof![
        4 => (any_address(), role()).prop_map(|(name, role)| Request::Invite(name, role)),
        2 => (any_address(), any_index()).prop_map(|(name, which)| Request::Resend(name, which)),
        2 => (any_address(), any_index()).prop_map(|(name, which)| Request::Revoke(name, which)),
        1 => any_address().prop_map(Request::Add),
        2 => any_address().prop_map(Request::Remove),
        1 => any_address().prop_map(Request::Suspend),
        1 => any_address().prop_map(Request::Restore),
        1 => (any_address(), role()).prop_map(|(name, role)| Request::GiveRole(name, role)),
        3 => any_address().prop_map(Request::LogIn),
        6 => (any_index(), prop::option::of(any_index())).prop_map(|(n, old)| Request::Redeem(n, old)),
        1 => Just(Request::RedeemUnknown),
        1 => any_address().prop_map(Request::Visit),
        1 => any_index().prop_map(Request::ComeBack),
        1 => any_index().prop_map(Request::LogOut),
        1 => any_index().prop_map(Request::EndOthers),
        1 => any_address().prop_map(Request::EndAll),
        2 => Just(Request::Sweep),
        3 => any_index().prop_map(Request::Cancel),
        3 => any_index().prop_map(Request::Retry),
        1 => any_queue().prop_map(Request::Pause),
        1 => any_queue().prop_map(Request::Resume),
        2 => Just(Request::Work),
    ]
}

fn any_address() -> impl Strategy<Value = &'static str> {
    // The first address has the most events.
    prop_oneof![3 => Just(PEOPLE[0]), 2 => prop::sample::select(PEOPLE.to_vec())]
}

fn any_queue() -> impl Strategy<Value = QueueName> {
    prop_oneof![1 => Just(QueueName::Invitation), 2 => prop::sample::select(QueueName::ALL)]
}

fn any_hold() -> impl Strategy<Value = HeldBy> {
    prop::sample::select(HeldBy::ALL)
}

/// Mostly selects the newest.
fn any_index() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0_usize), 1 => 0..4_usize]
}

fn any_going() -> impl Strategy<Value = Interruption> {
    prop_oneof![
        6 => Just(Interruption::None),
        1 => Just(Interruption::LeaseRanOut),
        1 => Just(Interruption::Breaks),
        1 => Just(Interruption::BreaksLate),
    ]
}

fn any_call() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => Just(Call::SendInvite),
        1 => prop::sample::select(vec![
            Call::SendLogin,
            Call::RevokeInvite,
            Call::Authenticate,
            Call::Refresh,
            Call::RevokeSession,
            Call::DeleteUser,
            Call::FindUser,
        ]),
    ]
}

fn any_failure() -> impl Strategy<Value = Failure> {
    prop::sample::select(vec![
        Failure::Internal,
        Failure::RateLimited,
        Failure::Misconfigured,
        Failure::Rejected,
        Failure::DuplicateEmail,
        Failure::AnswerLost,
        Failure::CallLost,
    ])
}

fn any_moment() -> impl Strategy<Value = Moment> {
    prop_oneof![
        2 => Just(Moment::BeforeApply),
        1 => any_call().prop_map(Moment::CallStarted),
        1 => any_call().prop_map(Moment::CallDone),
    ]
}
