//! The fake provider: it behaves like Stytch unless a fault is scripted.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use guestlist_domain::{
    AuthenticatedSession, Clock, Email, Identity, IdentityPage, IdentityProvider, InviteMail,
    JwtClaims, JwtError, LoginMail, ManualClock, Profile, ProviderError, SentMail,
};
use jiff::Timestamp;

use super::identities::{Identities, NewMail};
use super::jwt;
use super::{Hook, errors};

/// The provider's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    SendInvite,
    SendLogin,
    RevokeInvite,
    Authenticate,
    Refresh,
    RevokeSession,
    DeleteUser,
    FindUser,
    List,
    Look,
}

impl Call {
    /// Returns whether repeating the call has an effect.
    fn must_not_be_repeated(self) -> bool {
        matches!(self, Self::SendInvite | Self::SendLogin | Self::Authenticate)
    }

    fn lost(self) -> ProviderError {
        if self.must_not_be_repeated() { errors::doubtful() } else { errors::timed_out() }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The call has no effect and fails with this error.
    Refused(ProviderError),
    /// The call has its effect, and the answer is lost.
    AnswerLost,
    /// The call is lost, which the caller cannot distinguish.
    CallLost,
    /// A refresh returns another session.
    AnotherSession,
}

pub(crate) struct FakeProvider {
    clock: Arc<ManualClock>,
    identities: Mutex<Identities>,
    script: Mutex<Script>,
}

#[derive(Default)]
struct Script {
    next: HashMap<Call, VecDeque<Fault>>,
    outage: Option<ProviderError>,
    keys_unavailable: bool,
    before_effect: HashMap<Call, Hook>,
    before_answer: HashMap<Call, Hook>,
    made: HashMap<Call, usize>,
}

impl FakeProvider {
    pub(crate) fn new(clock: Arc<ManualClock>) -> Self {
        Self { clock, identities: Mutex::default(), script: Mutex::default() }
    }

    /// Returns the provider's state.
    pub(crate) fn state(&self) -> MutexGuard<'_, Identities> {
        self.identities.lock().expect("no test panics while it holds Stytch's rows")
    }

    /// Adds a fault for the next call without one.
    pub(crate) fn next(&self, call: Call, fault: Fault) {
        self.script().next.entry(call).or_default().push_back(fault);
    }

    /// Fails the next `times` calls with an error.
    pub(crate) fn refuses(&self, call: Call, times: usize, error: &ProviderError) {
        (0..times).for_each(|_| self.next(call, Fault::Refused(error.clone())));
    }

    /// Fails all calls until [`recover`](Self::recover).
    pub(crate) fn fail_all(&self, error: ProviderError) {
        self.script().outage = Some(error);
    }

    pub(crate) fn lose_keys(&self) {
        self.script().keys_unavailable = true;
    }

    /// Removes all faults.
    pub(crate) fn recover(&self) {
        let mut script = self.script();
        *script = Script { made: std::mem::take(&mut script.made), ..Script::default() };
    }

    /// Runs `hook` before the next call has its effect.
    pub(crate) fn before_effect(&self, call: Call, hook: impl FnOnce() + Send + 'static) {
        self.script().before_effect.insert(call, Box::new(hook));
    }

    /// Runs `hook` after the next call had its effect and before the answer arrives.
    pub(crate) fn before_answer(&self, call: Call, hook: impl FnOnce() + Send + 'static) {
        self.script().before_answer.insert(call, Box::new(hook));
    }

    /// Returns the number of calls.
    pub(crate) fn call_count(&self, call: Call) -> usize {
        self.script().made.get(&call).copied().unwrap_or_default()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no test panics while it holds the script")
    }

    fn call<T>(
        &self,
        call: Call,
        work: impl FnOnce(&mut Identities, Timestamp) -> Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        let (fault, before, after) = self.script().take(call);
        if let Some(hook) = before {
            hook();
        }
        if let Some(Fault::Refused(error)) = fault {
            return Err(error);
        }
        if matches!(fault, Some(Fault::CallLost)) {
            return Err(call.lost());
        }
        let answer = work(&mut self.state(), self.clock.now());
        if let Some(hook) = after {
            hook();
        }
        if matches!(fault, Some(Fault::AnswerLost)) { Err(call.lost()) } else { answer }
    }
}

impl Script {
    fn take(&mut self, call: Call) -> (Option<Fault>, Option<Hook>, Option<Hook>) {
        *self.made.entry(call).or_default() += 1;
        let planned = self.next.get_mut(&call).and_then(VecDeque::pop_front);
        let fault = planned.or_else(|| self.outage.clone().map(Fault::Refused));
        (fault, self.before_effect.remove(&call), self.before_answer.remove(&call))
    }
}

#[async_trait]
impl IdentityProvider for FakeProvider {
    async fn send_invite(&self, mail: &InviteMail) -> Result<SentMail, ProviderError> {
        let InviteMail { email: to, redirect_url, expires_in_minutes: minutes, .. } = mail;
        let mail = NewMail { to, redirect_url, minutes: *minutes };
        self.call(Call::SendInvite, |stytch, now| stytch.invite(&mail, now))
    }

    async fn send_login(&self, mail: &LoginMail) -> Result<SentMail, ProviderError> {
        let LoginMail { email: to, redirect_url, expires_in_minutes: minutes } = mail;
        let mail = NewMail { to, redirect_url, minutes: *minutes };
        self.call(Call::SendLogin, |stytch, now| Ok(stytch.log_in_or_create(&mail, now)))
    }

    async fn revoke_invite(&self, email: &Email) -> Result<(), ProviderError> {
        self.call(Call::RevokeInvite, |stytch, _| {
            stytch.revoke_invitations(email);
            Ok(())
        })
    }

    async fn authenticate_link(
        &self,
        token: &str,
        minutes: u32,
    ) -> Result<AuthenticatedSession, ProviderError> {
        self.call(Call::Authenticate, |stytch, now| stytch.authenticate(token, minutes, now))
    }

    async fn refresh_session(
        &self,
        session_token: &str,
    ) -> Result<AuthenticatedSession, ProviderError> {
        let another = {
            let script = self.script();
            let next = script.next.get(&Call::Refresh).and_then(VecDeque::front);
            matches!(next, Some(Fault::AnotherSession))
        };
        let mut answer = self.call(Call::Refresh, |stytch, now| stytch.refresh(session_token, now));
        if let (true, Ok(authenticated)) = (another, &mut answer) {
            authenticated.session.provider_session_id.push_str("-another");
        }
        answer
    }

    async fn revoke_session(&self, provider_session_id: &str) -> Result<(), ProviderError> {
        self.call(Call::RevokeSession, |stytch, _| {
            stytch.revoke_session(provider_session_id);
            Ok(())
        })
    }

    async fn delete_user(&self, provider_user_id: &str) -> Result<(), ProviderError> {
        self.call(Call::DeleteUser, |stytch, _| {
            stytch.delete_user(provider_user_id);
            Ok(())
        })
    }

    async fn find_user(&self, email: &Email) -> Result<Option<Identity>, ProviderError> {
        self.call(Call::FindUser, |stytch, _| {
            Ok(stytch
                .find(email)
                .map(|known| Identity { provider_user_id: known.id, created_at: known.created_at }))
        })
    }

    async fn identities(&self, cursor: Option<&str>) -> Result<IdentityPage, ProviderError> {
        let from = cursor.map_or(0, |cursor| cursor.parse().expect("a cursor"));
        self.call(Call::List, |stytch, _| Ok(stytch.page(from)))
    }

    async fn identity(&self, provider_user_id: &str) -> Result<Option<Profile>, ProviderError> {
        self.call(Call::Look, |stytch, _| Ok(stytch.profile(provider_user_id)))
    }

    async fn verify_jwt(&self, session_jwt: &str) -> Result<JwtClaims, JwtError> {
        if self.script().keys_unavailable {
            return Err(JwtError::KeysUnavailable);
        }
        jwt::read(session_jwt)
    }
}
