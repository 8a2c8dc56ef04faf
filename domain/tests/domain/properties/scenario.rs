//! A simulation with users, and workers with jobs in flight.

use std::fmt::Debug;

use guestlist_domain::flows::RedeemLink;
use guestlist_domain::{JobId, JobState, ProviderError, QueueName, Role, Session, UserId};

use super::steps::{Failure, Moment, Request, Step};
use crate::support::{Fault, InFlight, Simulation, at, errors, hours, secs};

pub(super) struct Scenario {
    pub(super) simulation: Simulation,
    /// Jobs that were performed and are not settled.
    in_flight: Vec<InFlight>,
    /// The number of mails sent whenever leases ended: the next one may follow at once.
    pub(super) rescued_after: Vec<usize>,
}

impl Scenario {
    pub(super) fn new() -> Self {
        let simulation = Simulation::with_policy(|policy| {
            policy.admin_emails = vec![at("root")];
            policy.invitation_minutes = 24 * 60;
            policy.session_minutes = 24 * 60;
            policy.link_carries_id = true;
        });
        simulation.add("keeper", Role::Admin).expect("added");
        Self { simulation, in_flight: Vec::new(), rescued_after: Vec::new() }
    }

    pub(super) fn step(&mut self, act: &Step) {
        match act {
            Step::Request(request) => happens(&self.simulation, request),
            Step::Work(jobs) => (0..*jobs).for_each(|_| self.simulation.step_or_rest()),
            Step::Begin(going) => {
                let claimed = self.simulation.claim();
                self.in_flight.extend(claimed.map(|job| self.simulation.perform(job, *going)));
            }
            Step::Settle(which) => {
                if let Some(job) = self.take(*which) {
                    drop(self.simulation.settle(&job));
                }
            }
            Step::Die(which) => drop(self.take(*which)),
            Step::Rescue => self.rescue(),
            Step::Wait(seconds) => self.simulation.wait(secs(*seconds)),
            Step::Fail(call, failure) => self.simulation.provider.next(*call, failure.fault()),
            Step::Outage(failure) => self.simulation.provider.fail_all(failure.error()),
            Step::Heal => self.simulation.provider.recover(),
            Step::CreateForeignIdentity(name) => {
                let mut stytch = self.simulation.provider.state();
                if stytch.find(&at(name)).is_none() {
                    stytch.create_foreign(&at(name), Some(self.simulation.now()));
                }
            }
            Step::WaitedOut(by, seconds) => {
                self.simulation.record_outage(*by, self.simulation.now() - secs(*seconds));
            }
            Step::LoseDatabase => self.simulation.store.lose_next_applies(1),
            Step::Concurrently(moment, requests) => self.plan(*moment, requests.clone()),
        }
    }

    fn rescue(&mut self) {
        self.rescued_after.push(self.simulation.provider.state().mails.len());
        self.simulation.rescue();
    }

    fn take(&mut self, which: usize) -> Option<InFlight> {
        (!self.in_flight.is_empty()).then(|| self.in_flight.remove(which % self.in_flight.len()))
    }

    fn plan(&self, moment: Moment, requests: Vec<Request>) {
        let simulation = self.simulation.clone();
        let hook = move || requests.iter().for_each(|request| happens(&simulation, request));
        match moment {
            Moment::BeforeApply => self.simulation.store.run_before_next_apply(hook),
            Moment::CallStarted(call) => self.simulation.provider.before_effect(call, hook),
            Moment::CallDone(call) => self.simulation.provider.before_answer(call, hook),
        }
    }

    /// Removes all faults, settles all jobs, and lets time pass until no
    /// work is left.
    pub(super) fn settle_everything(&mut self) {
        self.simulation.provider.recover();
        self.simulation.store.clear_hooks();
        for job in std::mem::take(&mut self.in_flight) {
            self.simulation.settle(&job).expect("the database is there");
        }
        self.rescue();
        for queue in QueueName::ALL {
            self.simulation.resume(*queue).expect("the database is there");
        }
        // Longer than any job is retried, and any invitation lasts.
        self.simulation.work_for(hours(30));
        self.simulation.sweep();
    }
}

/// Makes a request. It may be refused, but never for too many conflicts.
fn happens(simulation: &Simulation, request: &Request) {
    match *request {
        Request::Invite(name, role) => {
            let invitation =
                guestlist_domain::flows::NewInvitation { role, ..Simulation::invitation_of(name) };
            check_decided(simulation.invite_as(invitation));
        }
        Request::Resend(name, which) => {
            if let Some(chosen) = chosen(&simulation.invitations(name), which) {
                check_decided(simulation.resend(chosen.id));
            }
        }
        Request::Revoke(name, which) => {
            if let Some(chosen) = chosen(&simulation.invitations(name), which) {
                check_decided(simulation.revoke(chosen.id));
            }
        }
        Request::Add(name) => check_decided(simulation.add(name, Role::Member)),
        Request::Remove(name)
        | Request::Suspend(name)
        | Request::Restore(name)
        | Request::GiveRole(name, _)
        | Request::EndAll(name) => {
            if let Some(user) = simulation.user(name) {
                happens_to(simulation, user.id, request);
            }
        }
        Request::LogIn(name) => check_decided(simulation.log_in(name)),
        Request::Redeem(which, old) => redeem(simulation, which, old),
        Request::RedeemUnknown => check_decided(simulation.redeem("nonsense")),
        Request::Visit(name) => {
            if let Some(newest) = simulation.invitations(name).first() {
                check_decided(simulation.try_visit(newest.id));
            }
        }
        Request::ComeBack(which) => come_back(simulation, which),
        Request::LogOut(which) => log_out(simulation, which),
        Request::EndOthers(which) => {
            if let Some(session) = chosen(&all_sessions(simulation), which) {
                check_decided(simulation.end_others(&session));
            }
        }
        Request::Sweep => check_decided(simulation.schedule_sweep()),
        Request::Cancel(which) => {
            let ends = |state: JobState| state.can_be_cancelled() || state.can_be_dismissed();
            if let Some(job) = chosen(&jobs(simulation, ends), which) {
                check_decided(simulation.cancel(job).or_else(|_| simulation.dismiss(job)));
            }
        }
        Request::Retry(which) => {
            if let Some(job) = chosen(&jobs(simulation, JobState::can_be_retried), which) {
                check_decided(simulation.retry(job));
            }
        }
        Request::Pause(queue) => check_decided(simulation.pause(queue)),
        Request::Resume(queue) => check_decided(simulation.resume(queue)),
        Request::Work => simulation.step_or_rest(),
    }
}

/// Makes a request about a user.
fn happens_to(simulation: &Simulation, user: UserId, request: &Request) {
    match *request {
        Request::Remove(_) => check_decided(simulation.remove(user)),
        Request::Suspend(_) => check_decided(simulation.try_suspend(user, true)),
        Request::Restore(_) => check_decided(simulation.try_suspend(user, false)),
        Request::GiveRole(_, role) => check_decided(simulation.give_role(user, role)),
        Request::EndAll(_) => check_decided(simulation.end_all(user)),
        _ => unreachable!("{request:?} is done to nobody"),
    }
}

fn redeem(simulation: &Simulation, which: usize, old: Option<usize>) {
    let links: Vec<String> = {
        let stytch = simulation.provider.state();
        stytch.mails.iter().rev().map(|mail| mail.token.clone()).collect()
    };
    let replaces = old.and_then(|old| chosen(&all_sessions(simulation), old));
    if let Some(token) = chosen(&links, which) {
        check_decided(simulation.redeem_with(&RedeemLink {
            previous_session: replaces,
            ..Simulation::redemption(&token)
        }));
    }
}

fn come_back(simulation: &Simulation, which: usize) {
    let tokens: Vec<String> = {
        let stytch = simulation.provider.state();
        stytch.sessions.iter().rev().map(|session| session.token.clone()).collect()
    };
    if let Some(token) = chosen(&tokens, which) {
        let shown = guestlist_domain::flows::Credentials { token: Some(&token), jwt: None };
        check_decided(simulation.check(shown));
    }
}

fn log_out(simulation: &Simulation, which: usize) {
    let Some(session) = chosen(&all_sessions(simulation), which) else { return };
    let users = simulation.store.tables().users.clone();
    if let Some(user) = users.get(&session.user_id) {
        check_decided(simulation.log_out_of(&session, user));
    }
}

/// Returns the newest first.
fn jobs(simulation: &Simulation, in_state: fn(JobState) -> bool) -> Vec<JobId> {
    let tables = simulation.store.tables();
    let newest_first = tables.jobs.values().rev().filter(|row| in_state(row.state));
    newest_first.map(|row| row.job.id).collect()
}

/// Returns the newest first.
fn all_sessions(simulation: &Simulation) -> Vec<Session> {
    simulation.store.tables().sessions.values().rev().cloned().collect()
}

fn chosen<T: Clone>(among: &[T], which: usize) -> Option<T> {
    (!among.is_empty()).then(|| among[which % among.len()].clone())
}

fn check_decided<T, E: Debug>(answer: Result<T, E>) {
    if let Err(refusal) = answer {
        let why = format!("{refusal:?}");
        assert!(!why.contains("too many changes"), "with nobody else about: {why}");
    }
}

impl Failure {
    fn fault(self) -> Fault {
        match self {
            Self::AnswerLost => Fault::AnswerLost,
            Self::CallLost => Fault::CallLost,
            refused => Fault::Refused(refused.error()),
        }
    }

    fn error(self) -> ProviderError {
        match self {
            Self::Internal => errors::internal(),
            Self::RateLimited => errors::rate_limited(Some(secs(20))),
            Self::Misconfigured => errors::misconfigured(),
            Self::Rejected => errors::rejected("bad_request"),
            Self::DuplicateEmail => errors::address_taken(),
            Self::AnswerLost | Self::CallLost => errors::unreachable(),
        }
    }
}
