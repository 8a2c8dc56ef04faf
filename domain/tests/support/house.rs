//! A house, and what people ask of it. Whoever is called `ada` lives at `ada@example.com`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use guestlist_domain::flows::{
    self, AddUserError, ChangeUserError, Credentials, EndAllError, InviteError, JobOperationError,
    LoggedIn, NewInvitation, NewUser, RedeemError, RedeemLink, RemoveUserError, RequestLoginError,
    ResendError, RevokeError, SessionError, UserChange, VerifiedSession,
};
use guestlist_domain::{
    Actor, Clock, Ctx, Email, HeldBy, Invitation, InvitationId, JobId, Limit, ManageableRoles,
    ManualClock, Metadata, Name, Outage, Policy, QueueName, ReturnTo, Role, Session, SessionId,
    StoreError, TokenHash, Tokens, User, UserId,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::ids::SeededIds;
use super::{Disturbance, MemoryStore, PlayedStytch, at_once, hours};

/// Cheap to clone; every clone is the same house.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) ctx: Ctx,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) stytch: Arc<PlayedStytch>,
    pub(crate) clock: Arc<ManualClock>,
    /// The last time that the workers called nobody.
    pub(crate) outage: Arc<Mutex<Option<Outage>>>,
    /// What happens while the next job waits for its turn to call Stytch.
    pub(super) meanwhile: Arc<Mutex<Option<Disturbance>>>,
}

pub(crate) fn at(who: &str) -> Email {
    let text = if who.contains('@') { who.to_owned() } else { format!("{who}@example.com") };
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

impl House {
    pub(crate) fn new() -> Self {
        Self::under(|_| {})
    }

    /// With other rules than usual.
    pub(crate) fn under(rules: impl FnOnce(&mut Policy)) -> Self {
        let start: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a time");
        let clock = Arc::new(ManualClock::new(start));
        let store = Arc::new(MemoryStore::default());
        let stytch = Arc::new(PlayedStytch::new(clock.clone()));
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
        Self { ctx, store, stytch, clock, outage: Arc::default(), meanwhile: Arc::default() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn wait(&self, time: Duration) {
        self.clock.advance(time);
    }

    pub(crate) fn asking(who: &str) -> NewInvitation {
        NewInvitation {
            email: at(who),
            name: None,
            role: Role::Member,
            manageable: ManageableRoles::All,
            metadata: Metadata::default(),
            return_to: None,
            expires_in_minutes: None,
            is_bulk: false,
        }
    }

    pub(crate) fn invite(&self, who: &str) -> Result<Invitation, InviteError> {
        self.invite_as(Self::asking(who))
    }

    pub(crate) fn invite_as(&self, request: NewInvitation) -> Result<Invitation, InviteError> {
        at_once(flows::invite(&self.ctx, request, &Actor::Cli))
    }

    pub(crate) fn resend(&self, id: InvitationId) -> Result<Invitation, ResendError> {
        at_once(flows::resend(&self.ctx, id, ManageableRoles::All, &Actor::Cli))
    }

    pub(crate) fn revoke(&self, id: InvitationId) -> Result<Invitation, RevokeError> {
        at_once(flows::revoke(&self.ctx, id, ManageableRoles::All, &Actor::Cli))
    }

    pub(crate) fn pause(&self, queue: QueueName) -> Result<(), StoreError> {
        at_once(flows::pause_queue(&self.ctx, queue, Some("a reason".into()), &Actor::Cli))
    }

    pub(crate) fn resume(&self, queue: QueueName) -> Result<(), StoreError> {
        at_once(flows::resume_queue(&self.ctx, queue, &Actor::Cli))
    }

    pub(crate) fn cancel(&self, job: JobId) -> Result<(), JobOperationError> {
        at_once(flows::cancel_job(&self.ctx, job, ManageableRoles::All, &Actor::Cli))
    }

    pub(crate) fn dismiss(&self, job: JobId) -> Result<(), JobOperationError> {
        at_once(flows::dismiss_job(&self.ctx, job, ManageableRoles::All, &Actor::Cli))
    }

    pub(crate) fn retry(&self, job: JobId) -> Result<(), JobOperationError> {
        at_once(flows::retry_job(&self.ctx, job, ManageableRoles::All, &Actor::Cli))
    }

    /// From then on until now, no worker called anybody.
    pub(crate) fn has_waited_out(&self, by: HeldBy, from: Timestamp) {
        let outage = Outage { from, to: self.now(), by };
        *self.outage.lock().expect("no test panics while it holds the outage") = Some(outage);
    }

    /// Something happens while the next job waits for its turn to call Stytch.
    pub(crate) fn while_it_waits_for_its_turn(&self, disturb: impl FnOnce() + Send + 'static) {
        let mut meanwhile = self.meanwhile.lock().expect("no test panics while it waits");
        *meanwhile = Some(Box::new(disturb));
    }

    pub(crate) fn visit(&self, id: InvitationId) -> Option<Invitation> {
        self.try_visit(id).expect("the store is there")
    }

    pub(crate) fn try_visit(&self, id: InvitationId) -> Result<Option<Invitation>, StoreError> {
        at_once(flows::record_visit(&self.ctx, id))
    }

    pub(crate) fn add(&self, who: &str, role: Role) -> Result<User, AddUserError> {
        let metadata = Metadata::default();
        self.add_as(NewUser {
            email: at(who),
            name: None,
            role,
            metadata,
            manageable: ManageableRoles::All,
        })
    }

    pub(crate) fn add_as(&self, request: NewUser) -> Result<User, AddUserError> {
        at_once(flows::add_user(&self.ctx, request, &Actor::Cli))
    }

    pub(crate) fn remove(&self, id: UserId) -> Result<User, RemoveUserError> {
        let removed = flows::remove_user(&self.ctx, id, ManageableRoles::All, &Actor::Cli);
        at_once(removed).map(|removed| removed.user)
    }

    pub(crate) fn log_in(&self, who: &str) -> Result<(), RequestLoginError> {
        at_once(flows::request_login(&self.ctx, &at(who), None))
    }

    pub(crate) fn log_in_towards(
        &self,
        who: &str,
        place: ReturnTo,
    ) -> Result<(), RequestLoginError> {
        at_once(flows::request_login(&self.ctx, &at(who), Some(place)))
    }

    pub(crate) fn press(&self, token: &str) -> Result<LoggedIn, RedeemError> {
        self.press_as(&Self::pressing(token))
    }

    pub(crate) fn pressing(token: &str) -> RedeemLink {
        RedeemLink {
            token: token.to_owned(),
            token_hash: TokenHash::of(token),
            invitation: None,
            browser: flows::Browser::default(),
            previous_session: None,
        }
    }

    pub(crate) fn press_as(&self, press: &RedeemLink) -> Result<LoggedIn, RedeemError> {
        at_once(async {
            let token = press.token_hash;
            flows::check_link(&self.ctx, token, press.invitation).await?;
            let claimed = flows::claim_link(&self.ctx, token).await?;
            let vouched = flows::authenticate_link(&self.ctx, &press.token, claimed).await?;
            flows::redeem_link(&self.ctx, press, &vouched).await
        })
    }

    pub(crate) fn check(&self, shown: Credentials<'_>) -> Result<VerifiedSession, SessionError> {
        at_once(flows::check_session(&self.ctx, shown))
    }

    /// Comes back with both secrets.
    pub(crate) fn comes_back(&self, tokens: &Tokens) -> Result<VerifiedSession, SessionError> {
        let (token, jwt) = (Some(&*tokens.session_token), Some(&*tokens.session_jwt));
        self.check(Credentials { token, jwt })
    }

    pub(crate) fn log_out(&self, came_in: &LoggedIn) -> Result<(), StoreError> {
        self.log_out_of(&came_in.session, &came_in.user)
    }

    pub(crate) fn log_out_of(&self, session: &Session, user: &User) -> Result<(), StoreError> {
        at_once(flows::log_out(&self.ctx, session, user))
    }

    pub(crate) fn end_one(
        &self,
        user: UserId,
        session: SessionId,
    ) -> Result<Option<Session>, StoreError> {
        at_once(flows::end_session(&self.ctx, user, session, &Actor::Cli))
    }

    pub(crate) fn end_others(&self, than: &Session) -> Result<usize, StoreError> {
        at_once(flows::end_other_sessions(&self.ctx, than.user_id, than.id, &Actor::Cli))
    }

    pub(crate) fn end_all(&self, user: UserId) -> Result<usize, EndAllError> {
        at_once(flows::end_all_sessions(&self.ctx, user, ManageableRoles::All, &Actor::Cli))
    }

    pub(crate) fn schedule_sweep(&self) -> Result<bool, StoreError> {
        at_once(flows::schedule_sweep(&self.ctx, Duration::from_mins(1)))
    }

    pub(crate) fn sweep(&self) {
        self.schedule_sweep().expect("the store is there");
        self.work();
    }

    pub(crate) fn change(&self, id: UserId, to: &UserChange) -> Result<User, ChangeUserError> {
        at_once(flows::change_user(&self.ctx, id, to, &Actor::Cli)).map(|changed| changed.user)
    }

    pub(crate) fn try_suspend(&self, id: UserId, so: bool) -> Result<User, ChangeUserError> {
        let is_suspended = Some(so);
        self.change(
            id,
            &UserChange { is_suspended, manageable: ManageableRoles::All, ..UserChange::default() },
        )
    }

    pub(crate) fn suspend(&self, who: &str) -> User {
        self.try_suspend(self.expect_user(who).id, true).expect("suspended")
    }

    pub(crate) fn reactivate(&self, who: &str) -> User {
        self.try_suspend(self.expect_user(who).id, false).expect("let in again")
    }

    pub(crate) fn give_role(&self, id: UserId, role: Role) -> Result<User, ChangeUserError> {
        let role = Some(role);
        self.change(
            id,
            &UserChange { role, manageable: ManageableRoles::All, ..UserChange::default() },
        )
    }
}
