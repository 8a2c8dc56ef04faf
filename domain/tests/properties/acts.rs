//! What can happen, and how often.

use guestlist_domain::{HeldBy, QueueName, Role};
use proptest::prelude::*;

use crate::support::{Call, Going};

/// Who lives here. The last but one is an administrator by configuration, the last one by being
/// added before anything happens.
pub(super) const PEOPLE: [&str; 4] = ["ada", "bob", "root", "keeper"];

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Somebody asks for something.
    Ask(Ask),
    /// The worker does so many jobs.
    Work(usize),
    /// A worker performs a job and goes on later, or never.
    Begin(Going),
    /// A worker writes what came of one of the jobs in its hands.
    Settle(usize),
    /// A worker that holds a job dies.
    Die(usize),
    /// All leases end. Workers that are not dead do not know it.
    Rescue,
    /// Time passes, in seconds.
    Wait(u64),
    /// Stytch will fail, once or until it heals.
    Fail(Call, Failure),
    Outage(Failure),
    Heal,
    /// Another application makes somebody an identity at Stytch.
    KnowElsewhere(&'static str),
    /// Workers have called nobody for so many seconds.
    WaitedOut(HeldBy, u64),
    /// The next change is not written, for the database is lost.
    LoseDatabase,
    /// Things are asked for at the worst of moments.
    Meanwhile(Moment, Vec<Ask>),
}

/// What somebody asks for. Numbers choose among what there is, newest first.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Invite(&'static str, Role),
    Resend(&'static str, usize),
    Revoke(&'static str, usize),
    Add(&'static str),
    Remove(&'static str),
    Suspend(&'static str),
    Restore(&'static str),
    GiveRole(&'static str, Role),
    LogIn(&'static str),
    /// One of the links in anybody's inbox, in a browser with or without a session.
    Press(usize, Option<usize>),
    PressNonsense,
    Visit(&'static str),
    ComeBack(usize),
    LogOut(usize),
    /// The holder of one session ends the others of theirs.
    EndOthers(usize),
    EndAll(&'static str),
    Sweep,
    /// An operator withdraws a job that has not ended.
    Cancel(usize),
    /// An operator has a job run again that failed or was withdrawn.
    Retry(usize),
    Pause(QueueName),
    Resume(QueueName),
    /// Another worker does a job.
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
    /// Between a flow's reading and its writing.
    BeforeApply,
    /// Before Stytch does what it is asked for.
    OnItsWay(Call),
    /// After Stytch did it, before anybody here knows.
    OnItsWayBack(Call),
}

pub(super) fn any_acts() -> impl Strategy<Value = Vec<Act>> {
    prop::collection::vec(any_act(), 1..60)
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => any_ask().prop_map(Act::Ask),
        6 => (1..4_usize).prop_map(Act::Work),
        3 => any_going().prop_map(Act::Begin),
        3 => any_index().prop_map(Act::Settle),
        1 => any_index().prop_map(Act::Die),
        1 => Just(Act::Rescue),
        4 => prop::sample::select(vec![1, 3, 40, 600, 4_000, 90_000]).prop_map(Act::Wait),
        3 => (any_call(), any_failure()).prop_map(|(call, failure)| Act::Fail(call, failure)),
        1 => any_failure().prop_map(Act::Outage),
        1 => Just(Act::Heal),
        1 => anybody().prop_map(Act::KnowElsewhere),
        1 => any_hold().prop_map(|by| Act::WaitedOut(by, 20)),
        1 => Just(Act::LoseDatabase),
        4 => (any_moment(), several(any_ask())).prop_map(|(when, asks)| Act::Meanwhile(when, asks)),
    ]
}

fn several(ask: impl Strategy<Value = Ask>) -> impl Strategy<Value = Vec<Ask>> {
    prop::collection::vec(ask, 1..4)
}

fn any_ask() -> impl Strategy<Value = Ask> {
    let role = || prop::sample::select(Role::ALL);
    prop_oneof![
        4 => (anybody(), role()).prop_map(|(who, role)| Ask::Invite(who, role)),
        2 => (anybody(), any_index()).prop_map(|(who, which)| Ask::Resend(who, which)),
        2 => (anybody(), any_index()).prop_map(|(who, which)| Ask::Revoke(who, which)),
        1 => anybody().prop_map(Ask::Add),
        2 => anybody().prop_map(Ask::Remove),
        1 => anybody().prop_map(Ask::Suspend),
        1 => anybody().prop_map(Ask::Restore),
        1 => (anybody(), role()).prop_map(|(who, role)| Ask::GiveRole(who, role)),
        3 => anybody().prop_map(Ask::LogIn),
        6 => (any_index(), prop::option::of(any_index())).prop_map(|(n, old)| Ask::Press(n, old)),
        1 => Just(Ask::PressNonsense),
        1 => anybody().prop_map(Ask::Visit),
        1 => any_index().prop_map(Ask::ComeBack),
        1 => any_index().prop_map(Ask::LogOut),
        1 => any_index().prop_map(Ask::EndOthers),
        1 => anybody().prop_map(Ask::EndAll),
        2 => Just(Ask::Sweep),
        3 => any_index().prop_map(Ask::Cancel),
        3 => any_index().prop_map(Ask::Retry),
        1 => any_queue().prop_map(Ask::Pause),
        1 => any_queue().prop_map(Ask::Resume),
        2 => Just(Ask::Work),
    ]
}

fn anybody() -> impl Strategy<Value = &'static str> {
    // The first is the most eventful.
    prop_oneof![3 => Just(PEOPLE[0]), 2 => prop::sample::select(PEOPLE.to_vec())]
}

fn any_queue() -> impl Strategy<Value = QueueName> {
    prop_oneof![1 => Just(QueueName::Invitation), 2 => prop::sample::select(QueueName::ALL)]
}

fn any_hold() -> impl Strategy<Value = HeldBy> {
    prop::sample::select(HeldBy::ALL)
}

/// Mostly the newest.
fn any_index() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0_usize), 1 => 0..4_usize]
}

fn any_going() -> impl Strategy<Value = Going> {
    prop_oneof![
        6 => Just(Going::Well),
        1 => Just(Going::LeaseRanOut),
        1 => Just(Going::Breaks),
        1 => Just(Going::BreaksLate),
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
        1 => any_call().prop_map(Moment::OnItsWay),
        1 => any_call().prop_map(Moment::OnItsWayBack),
    ]
}
