//! A simulation of Guestlist, with a method for each flow. `ada` has the address `ada@example.com`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use guestlist_domain::flows::{
    self, Credentials, InvitationError, InviteError, JobOperationError, LoggedIn, NewInvitation,
    NewUser, RedeemError, RedeemLink, RequestLoginError, SessionError, UserChange, UserError,
    VerifiedSession,
};
use guestlist_domain::{
    Actor, Clock, Ctx, Email, HeldBy, Invitation, InvitationId, JobId, Limit, ManageableRoles,
    ManualClock, Metadata, Name, Outage, Policy, QueueName, ReturnTo, Role, Session, SessionId,
    StoreError, TokenHash, Tokens, User, UserId,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::ids::SeededIds;
use super::{FakeProvider, Hook, InMemoryStore, block_on, hours};

/// Cheap to clone; clones share their state.
#[derive(Clone)]
pub(crate) struct Simulation {
    pub(crate) ctx: Ctx,
    pub(crate) store: Arc<InMemoryStore>,
    pub(crate) provider: Arc<FakeProvider>,
    pub(crate) clock: Arc<ManualClock>,
    /// The last outage of the workers.
    pub(crate) outage: Arc<Mutex<Option<Outage>>>,
    /// Runs while the next job waits at the gate.
    pub(super) concurrent_request: Arc<Mutex<Option<Hook>>>,
}

pub(crate) fn at(name: &str) -> Email {
    let text = if name.contains('@') { name.to_owned() } else { format!("{name}@example.com") };
    Email::parse(&text).expect("an address")
}

pub(crate) fn named(text: &str) -> Option<Name> {
    Name::parse(text).expect("a name")
}

pub(crate) fn place(text: &str) -> ReturnTo {
    ReturnTo::checked(text.to_owned())
}

pub(crate) fn metadata(key: &str, value: &str) -> Metadata {
    let Value::Object(map) = json!({ key: value }) else { unreachable!("an object") };
    Metadata::new(map).expect("small enough")
}

impl Simulation {
    pub(crate) fn new() -> Self {
        Self::with_policy(|_| {})
    }

    /// Changes the default policy.
    pub(crate) fn with_policy(rules: impl FnOnce(&mut Policy)) -> Self {
        let start: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a time");
        let clock = Arc::new(ManualClock::new(start));
        let store = Arc::new(InMemoryStore::default());
        let stytch = Arc::new(FakeProvider::new(clock.clone()));
        let mut policy = Policy {
            session_minutes: 10_080,
            invitation_minutes: 10_080,
            login_minutes: 60,
            authenticate_url: "https://guests.example/authenticate".into(),
            link_carries_id: false,
            admin_emails: Vec::new(),
            login_limit: Limit { count: 5, per: hours(1) },
        };
        rules(&mut policy);
        let ctx = Ctx {
            store: store.clone(),
            provider: stytch.clone(),
            clock: clock.clone(),
            ids: Arc::new(SeededIds::new(7)),
            policy: Arc::new(policy),
            client: None,
        };
        Self {
            ctx,
            store,
            provider: stytch,
            clock,
            outage: Arc::default(),
            concurrent_request: Arc::default(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn wait(&self, time: Duration) {
        self.clock.advance(time);
    }

    pub(crate) fn invitation_of(name: &str) -> NewInvitation {
        NewInvitation {
            email: at(name),
            name: None,
            role: Role::Member,
            manageable: ManageableRoles::All,
            metadata: Metadata::default(),
            return_to: None,
            expires_in_minutes: None,
            is_bulk: false,
        }
    }

    pub(crate) fn invite(&self, name: &str) -> Result<Invitation, InviteError> {
        self.invite_as(Self::invitation_of(name))
    }

    pub(crate) fn invite_as(&self, request: NewInvitation) -> Result<Invitation, InviteError> {
        block_on(flows::invite(&self.ctx, request, &Actor::Cli))
    }

    pub(crate) fn resend(&self, id: InvitationId) -> Result<Invitation, InvitationError> {
        block_on(flows::resend(&self.ctx, id, ManageableRoles::All, &Actor::Cli))
    }

    pub(crate) fn revoke(&self, id: InvitationId) -> Result<Invitation, InvitationError> {
        block_on(flows::revoke(&self.ctx, id, ManageableRoles::All, &Actor::Cli))
    }

    pub(crate) fn pause(&self, queue: QueueName) -> Result<(), StoreError> {
        block_on(flows::pause_queue(&self.ctx, queue, Some("a reason".into()), &Actor::Cli))
    }

    pub(crate) fn resume(&self, queue: QueueName) -> Result<(), StoreError> {
        block_on(flows::resume_queue(&self.ctx, queue, &Actor::Cli))
    }

    pub(crate) fn cancel(&self, job: JobId) -> Result<(), JobOperationError> {
        block_on(flows::cancel_job(&self.ctx, job, ManageableRoles::All, &Actor::Cli))
    }

    pub(crate) fn dismiss(&self, job: JobId) -> Result<(), JobOperationError> {
        block_on(flows::dismiss_job(&self.ctx, job, ManageableRoles::All, &Actor::Cli))
    }

    pub(crate) fn retry(&self, job: JobId) -> Result<(), JobOperationError> {
        block_on(flows::retry_job(&self.ctx, job, ManageableRoles::All, &Actor::Cli))
    }

    /// Records an outage from `from` until now.
    pub(crate) fn record_outage(&self, by: HeldBy, from: Timestamp) {
        let outage = Outage { from, to: self.now(), by };
        *self.outage.lock().expect("no test panics while it holds the outage") = Some(outage);
    }

    /// Runs `hook` while the next job waits at the gate.
    pub(crate) fn while_waiting_at_gate(&self, hook: impl FnOnce() + Send + 'static) {
        let mut concurrent_request =
            self.concurrent_request.lock().expect("no test panics while it waits");
        *concurrent_request = Some(Box::new(hook));
    }

    /// Opens an invitation's link in a browser.
    pub(crate) fn visit(&self, id: InvitationId) -> Option<Invitation> {
        self.try_visit(id).expect("the store is there")
    }

    pub(crate) fn try_visit(&self, id: InvitationId) -> Result<Option<Invitation>, StoreError> {
        let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
        block_on(flows::record_visit(&self.ctx, id, Some(browser)))
    }

    /// Opens an invitation's link with a program that names itself.
    pub(crate) fn visit_with(&self, id: InvitationId, user_agent: Option<&str>) {
        let visited = block_on(flows::record_visit(&self.ctx, id, user_agent));
        visited.expect("the store is there");
    }

    pub(crate) fn add(&self, name: &str, role: Role) -> Result<User, InviteError> {
        let metadata = Metadata::default();
        self.add_as(NewUser {
            email: at(name),
            name: None,
            role,
            metadata,
            manageable: ManageableRoles::All,
        })
    }

    pub(crate) fn add_as(&self, request: NewUser) -> Result<User, InviteError> {
        block_on(flows::add_user(&self.ctx, request, &Actor::Cli))
    }

    pub(crate) fn remove(&self, id: UserId) -> Result<User, UserError> {
        let removed = flows::remove_user(&self.ctx, id, ManageableRoles::All, &Actor::Cli);
        block_on(removed).map(|removed| removed.user)
    }

    pub(crate) fn log_in(&self, name: &str) -> Result<(), RequestLoginError> {
        block_on(flows::request_login(&self.ctx, &at(name), None))
    }

    pub(crate) fn log_in_to(&self, name: &str, place: ReturnTo) -> Result<(), RequestLoginError> {
        block_on(flows::request_login(&self.ctx, &at(name), Some(place)))
    }

    pub(crate) fn redeem(&self, token: &str) -> Result<LoggedIn, RedeemError> {
        self.redeem_with(&Self::redemption(token))
    }

    pub(crate) fn redemption(token: &str) -> RedeemLink {
        RedeemLink {
            token: token.to_owned(),
            token_hash: TokenHash::of(token),
            invitation: None,
            browser: flows::Browser::default(),
            previous_session: None,
        }
    }

    pub(crate) fn redeem_with(&self, request: &RedeemLink) -> Result<LoggedIn, RedeemError> {
        block_on(async {
            let token = request.token_hash;
            flows::check_link(&self.ctx, token, request.invitation).await?;
            let claimed = flows::claim_link(&self.ctx, token).await?;
            let authenticated =
                flows::authenticate_link(&self.ctx, &request.token, claimed).await?;
            flows::redeem_link(&self.ctx, request, &authenticated).await
        })
    }

    pub(crate) fn check(&self, shown: Credentials<'_>) -> Result<VerifiedSession, SessionError> {
        block_on(flows::check_session(&self.ctx, shown))
    }

    /// Authenticates a request with token and JWT.
    pub(crate) fn return_with(&self, tokens: &Tokens) -> Result<VerifiedSession, SessionError> {
        let (token, jwt) = (Some(&*tokens.session_token), Some(&*tokens.session_jwt));
        self.check(Credentials { token, jwt })
    }

    pub(crate) fn log_out(&self, logged_in: &LoggedIn) -> Result<(), StoreError> {
        self.log_out_of(&logged_in.session, &logged_in.user)
    }

    pub(crate) fn log_out_of(&self, session: &Session, user: &User) -> Result<(), StoreError> {
        block_on(flows::log_out(&self.ctx, session, user))
    }

    pub(crate) fn end_one(
        &self,
        user: UserId,
        session: SessionId,
    ) -> Result<Option<Session>, StoreError> {
        block_on(flows::end_session(&self.ctx, user, session, &Actor::Cli))
    }

    pub(crate) fn end_others(&self, than: &Session) -> Result<usize, StoreError> {
        block_on(flows::end_other_sessions(&self.ctx, than.user_id, than.id, &Actor::Cli))
    }

    pub(crate) fn end_all(&self, user: UserId) -> Result<usize, UserError> {
        block_on(flows::end_all_sessions(&self.ctx, user, ManageableRoles::All, &Actor::Cli))
    }

    pub(crate) fn schedule_sweep(&self) -> Result<bool, StoreError> {
        block_on(guestlist_domain::jobs::schedule_sweep(&self.ctx, Duration::from_mins(1)))
    }

    pub(crate) fn sweep(&self) {
        self.schedule_sweep().expect("the store is there");
        self.work();
    }

    pub(crate) fn change(&self, id: UserId, to: &UserChange) -> Result<User, UserError> {
        block_on(flows::change_user(&self.ctx, id, to, &Actor::Cli)).map(|changed| changed.user)
    }

    pub(crate) fn try_suspend(&self, id: UserId, so: bool) -> Result<User, UserError> {
        let is_suspended = Some(so);
        self.change(
            id,
            &UserChange { is_suspended, manageable: ManageableRoles::All, ..UserChange::default() },
        )
    }

    pub(crate) fn suspend(&self, name: &str) -> User {
        self.try_suspend(self.expect_user(name).id, true).expect("suspended")
    }

    pub(crate) fn reactivate(&self, name: &str) -> User {
        self.try_suspend(self.expect_user(name).id, false).expect("reactivated")
    }

    pub(crate) fn give_role(&self, id: UserId, role: Role) -> Result<User, UserError> {
        let role = Some(role);
        self.change(
            id,
            &UserChange { role, manageable: ManageableRoles::All, ..UserChange::default() },
        )
    }
}
