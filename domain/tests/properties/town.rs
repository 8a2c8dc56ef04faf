//! A house with people in it, and workers that hold jobs.

use std::fmt::Debug;

use guestlist_domain::flows::RedeemLink;
use guestlist_domain::{JobId, JobState, ProviderError, QueueName, Role, Session, UserId};

use super::acts::{Act, Ask, Failure, Moment};
use crate::support::{Fault, House, InFlight, at, errors, hours, secs};

pub(super) struct Town {
    pub(super) house: House,
    /// Jobs that were performed and are not settled.
    in_hands: Vec<InFlight>,
    /// How many mails had gone out whenever leases ended: the next one may follow at once.
    pub(super) rescued_after: Vec<usize>,
}

impl Town {
    pub(super) fn new() -> Self {
        let house = House::under(|policy| {
            policy.admin_emails = vec![at("root")];
            policy.invitation_minutes = 24 * 60;
            policy.session_minutes = 24 * 60;
            policy.link_carries_id = true;
        });
        house.add("keeper", Role::Admin).expect("added");
        Self { house, in_hands: Vec::new(), rescued_after: Vec::new() }
    }

    pub(super) fn step(&mut self, act: &Act) {
        match act {
            Act::Ask(ask) => happens(&self.house, ask),
            Act::Work(jobs) => (0..*jobs).for_each(|_| self.house.step_or_rest()),
            Act::Begin(going) => {
                let claimed = self.house.claim();
                self.in_hands.extend(claimed.map(|job| self.house.perform(job, *going)));
            }
            Act::Settle(which) => {
                if let Some(job) = self.take(*which) {
                    drop(self.house.settle(&job));
                }
            }
            Act::Die(which) => drop(self.take(*which)),
            Act::Rescue => self.rescue(),
            Act::Wait(seconds) => self.house.wait(secs(*seconds)),
            Act::Fail(call, failure) => self.house.stytch.next(*call, failure.fault()),
            Act::Outage(failure) => self.house.stytch.is_down(failure.error()),
            Act::Heal => self.house.stytch.heals(),
            Act::KnowElsewhere(who) => {
                let mut stytch = self.house.stytch.knows();
                if stytch.find(&at(who)).is_none() {
                    stytch.knew(&at(who), Some(self.house.now()));
                }
            }
            Act::WaitedOut(by, seconds) => {
                self.house.has_waited_out(*by, self.house.now() - secs(*seconds));
            }
            Act::LoseDatabase => self.house.store.lose_next_applies(1),
            Act::Meanwhile(moment, asks) => self.plan(*moment, asks.clone()),
        }
    }

    fn rescue(&mut self) {
        self.rescued_after.push(self.house.stytch.knows().mails.len());
        self.house.rescue();
    }

    fn take(&mut self, which: usize) -> Option<InFlight> {
        (!self.in_hands.is_empty()).then(|| self.in_hands.remove(which % self.in_hands.len()))
    }

    fn plan(&self, moment: Moment, asks: Vec<Ask>) {
        let house = self.house.clone();
        let disturb = move || asks.iter().for_each(|ask| happens(&house, ask));
        match moment {
            Moment::BeforeApply => self.house.store.before_next_apply(disturb),
            Moment::OnItsWay(call) => self.house.stytch.while_on_its_way(call, disturb),
            Moment::OnItsWayBack(call) => self.house.stytch.while_on_its_way_back(call, disturb),
        }
    }

    /// All is well at last: workers settle what they hold, Stytch and the database are there,
    /// and time passes.
    pub(super) fn comes_to_rest(&mut self) {
        self.house.stytch.heals();
        self.house.store.calm();
        for job in std::mem::take(&mut self.in_hands) {
            self.house.settle(&job).expect("the database is there");
        }
        self.rescue();
        for queue in QueueName::ALL {
            self.house.resume(*queue).expect("the database is there");
        }
        // Longer than any job is tried, and any invitation lasts.
        self.house.work_for(hours(30));
        self.house.sweep();
    }
}

/// Somebody asks for something. It may be refused, but never for want of a decision.
fn happens(house: &House, ask: &Ask) {
    match *ask {
        Ask::Invite(who, role) => {
            let request = guestlist_domain::flows::NewInvitation { role, ..House::asking(who) };
            is_decided(house.invite_as(request));
        }
        Ask::Resend(who, which) => {
            if let Some(chosen) = chosen(&house.invitations(who), which) {
                is_decided(house.resend(chosen.id));
            }
        }
        Ask::Revoke(who, which) => {
            if let Some(chosen) = chosen(&house.invitations(who), which) {
                is_decided(house.revoke(chosen.id));
            }
        }
        Ask::Add(who) => is_decided(house.add(who, Role::Member)),
        Ask::Remove(who)
        | Ask::Suspend(who)
        | Ask::Restore(who)
        | Ask::GiveRole(who, _)
        | Ask::EndAll(who) => {
            if let Some(user) = house.user(who) {
                happens_to(house, user.id, ask);
            }
        }
        Ask::LogIn(who) => is_decided(house.log_in(who)),
        Ask::Press(which, old) => press(house, which, old),
        Ask::PressNonsense => is_decided(house.press("nonsense")),
        Ask::Visit(who) => {
            if let Some(newest) = house.invitations(who).first() {
                is_decided(house.try_visit(newest.id));
            }
        }
        Ask::ComeBack(which) => come_back(house, which),
        Ask::LogOut(which) => log_out(house, which),
        Ask::EndOthers(which) => {
            if let Some(session) = chosen(&all_sessions(house), which) {
                is_decided(house.end_others(&session));
            }
        }
        Ask::Sweep => is_decided(house.schedule_sweep()),
        Ask::Cancel(which) => {
            let ends = |state: JobState| state.can_be_cancelled() || state.can_be_dismissed();
            if let Some(job) = chosen(&jobs(house, ends), which) {
                is_decided(house.cancel(job).or_else(|_| house.dismiss(job)));
            }
        }
        Ask::Retry(which) => {
            if let Some(job) = chosen(&jobs(house, JobState::can_be_retried), which) {
                is_decided(house.retry(job));
            }
        }
        Ask::Pause(queue) => is_decided(house.pause(queue)),
        Ask::Resume(queue) => is_decided(house.resume(queue)),
        Ask::Work => house.step_or_rest(),
    }
}

/// An administrator does something to somebody.
fn happens_to(house: &House, user: UserId, ask: &Ask) {
    match *ask {
        Ask::Remove(_) => is_decided(house.remove(user)),
        Ask::Suspend(_) => is_decided(house.try_suspend(user, true)),
        Ask::Restore(_) => is_decided(house.try_suspend(user, false)),
        Ask::GiveRole(_, role) => is_decided(house.give_role(user, role)),
        Ask::EndAll(_) => is_decided(house.end_all(user)),
        _ => unreachable!("{ask:?} is done to nobody"),
    }
}

fn press(house: &House, which: usize, old: Option<usize>) {
    let links: Vec<String> = {
        let stytch = house.stytch.knows();
        stytch.mails.iter().rev().map(|mail| mail.token.clone()).collect()
    };
    let replaces = old.and_then(|old| chosen(&all_sessions(house), old));
    if let Some(token) = chosen(&links, which) {
        is_decided(
            house.press_as(&RedeemLink { previous_session: replaces, ..House::pressing(&token) }),
        );
    }
}

fn come_back(house: &House, which: usize) {
    let tokens: Vec<String> = {
        let stytch = house.stytch.knows();
        stytch.sessions.iter().rev().map(|session| session.token.clone()).collect()
    };
    if let Some(token) = chosen(&tokens, which) {
        let shown = guestlist_domain::flows::Credentials { token: Some(&token), jwt: None };
        is_decided(house.check(shown));
    }
}

fn log_out(house: &House, which: usize) {
    let Some(session) = chosen(&all_sessions(house), which) else { return };
    let users = house.store.tables().users.clone();
    if let Some(user) = users.get(&session.user_id) {
        is_decided(house.log_out_of(&session, user));
    }
}

/// Newest first.
fn jobs(house: &House, in_state: fn(JobState) -> bool) -> Vec<JobId> {
    let tables = house.store.tables();
    let newest_first = tables.jobs.values().rev().filter(|row| in_state(row.state));
    newest_first.map(|row| row.job.id).collect()
}

/// Newest first.
fn all_sessions(house: &House) -> Vec<Session> {
    house.store.tables().sessions.values().rev().cloned().collect()
}

fn chosen<T: Clone>(among: &[T], which: usize) -> Option<T> {
    (!among.is_empty()).then(|| among[which % among.len()].clone())
}

fn is_decided<T, E: Debug>(answer: Result<T, E>) {
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
