//! Somebody asks for a login link. Nothing of the answer, nor its time, tells whether anybody has
//! the address: who it is, and what fits, is found out by the worker.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;

use super::configured_admin::bootstrap;
use super::outcome::{after_refusal, again, exhausted, not_begun};
use super::resend;
use crate::{
    Actor, Attempt, CallGate, Change, Ctx, Email, Execution, Invitation, InvitationStatus, Job,
    JobOutcome, LoginMail, LoginRequest, LoginRequestId, MAIL_INTERVAL, NewJob, OptimisticRetry,
    Policy, ProviderError, QueueName, RetryPolicy, ReturnTo, Role, StoreError, User, UserStatus,
    is_credible,
};

/// The longest that a login mail is put off to keep the mails of its address apart. Requests beyond
/// that share one mail, so that a burst of them cannot put off the mails of later ones for long.
const LONGEST_SPACING: Duration = Duration::from_secs(30);

/// Why no link was asked for.
#[derive(Debug, Error)]
pub enum RequestLoginError {
    /// The address has asked too often; known or not, the answer is the same.
    #[error("asked too often")]
    RateLimited(Duration),
    /// Ask again later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Requests a login link, within the limit for the address.
pub async fn request_login(
    ctx: &Ctx,
    email: &Email,
    return_to: Option<ReturnTo>,
) -> Result<(), RequestLoginError> {
    let limit = ctx.policy.login_limit;
    let mut retry = OptimisticRetry::default();
    loop {
        let recent = ctx.store.login_requests(email, u64::from(limit.most())).await?;
        if let Some(wait) = wait(&ctx.policy, &recent, ctx.now()) {
            return Err(RequestLoginError::RateLimited(wait));
        }
        let (_, change) = ask(ctx, email, return_to.clone(), recent.first());
        if retry.apply(ctx, change).await? {
            return Ok(());
        }
    }
}

/// How long until an address may be sent another link, if not now.
///
/// Anybody can use up the limit of an address. So that nobody is locked out by that, a request is
/// refused only while the link of the last one still works: afterwards the address gets one link
/// per lifetime of a link. Only the requests count, and not what became of the links, so that an
/// answer tells nothing about the person. A request that is dated far in the future, by a clock that
/// was ahead, does not count.
fn wait(policy: &Policy, newest_first: &[LoginRequest], now: Timestamp) -> Option<Duration> {
    let limit = policy.login_limit;
    let counted: Vec<_> = newest_first.iter().filter(|asked| is_credible(asked.at, now)).collect();
    let windows = [(limit.count, limit.per), (limit.most(), limit.longest())];
    let free_at = windows.map(|(count, per)| {
        let oldest = counted.get((count as usize).checked_sub(1)?)?;
        Some(oldest.at.min(now) + per)
    });
    let free_at = free_at.into_iter().flatten().max()?;
    let works_until = counted.first()?.at.min(now) + policy.login_link_lifetime();
    let until = free_at.min(works_until);
    (now < until).then(|| until.duration_since(now).unsigned_abs())
}

/// When the mail of a request is due, a second after that of the last one. Requests that would wait
/// for longer than [`LONGEST_SPACING`] share the last one's time, and so its mail: the newest of the
/// requests that are due is the one that is mailed.
fn spaced(last: Timestamp, now: Timestamp) -> Timestamp {
    let next = now.max(last + MAIL_INTERVAL);
    if next <= now + LONGEST_SPACING { next } else { last }
}

/// Requests a login link for a caller to whom no limit applies: one with an API key, or the
/// operator who has just started the program.
pub async fn request_login_unlimited(
    ctx: &Ctx,
    email: &Email,
    return_to: Option<ReturnTo>,
) -> Result<LoginRequestId, StoreError> {
    let mut retry = OptimisticRetry::default();
    loop {
        let recent = ctx.store.login_requests(email, 1).await?;
        let (id, change) = ask(ctx, email, return_to.clone(), recent.first());
        if retry.apply(ctx, change).await? {
            return Ok(id);
        }
    }
}

fn ask(
    ctx: &Ctx,
    email: &Email,
    return_to: Option<ReturnTo>,
    last: Option<&LoginRequest>,
) -> (LoginRequestId, Change) {
    let now = ctx.now();
    let request = LoginRequest {
        id: LoginRequestId(ctx.ids.next()),
        email: email.clone(),
        ordinal: last.map_or(1, |last| last.ordinal + 1),
        return_to,
        at: now,
        send_at: last
            .filter(|last| is_credible(last.send_at, now))
            .map_or(now, |last| spaced(last.send_at, now)),
    };
    let id = request.id;
    let job = NewJob { run_at: request.send_at, ..SendLoginLink(id).into_job(ctx) };
    let mut change = Change::new().job(job);
    change.login_requests.push(request);
    (id, change)
}

/// Sends what fits an address that asked to come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendLoginLink(LoginRequestId);

impl SendLoginLink {
    fn into_job(self, ctx: &Ctx) -> NewJob {
        ctx.new_job::<Self>(json!({ "login_request": self.0 }), None)
    }
}

/// What came of it.
#[derive(Debug)]
pub enum LoginReport {
    /// Nothing fits, or nobody waits for it any more.
    Nothing,
    /// The lease had ended, or its turn did not come: nothing was done.
    NotBegun,
    /// The invitation is to be sent again.
    InviteAgain,
    /// Stytch, or the way to it, answered.
    Answered(Result<(), ProviderError>),
}

#[async_trait]
impl Job for SendLoginLink {
    const KIND: &'static str = "send-login";
    const QUEUE: QueueName = QueueName::Login;
    const RETRY: RetryPolicy = RetryPolicy::DELIVERY;
    const TIMEOUT: Duration = Duration::from_secs(30);
    type Report = LoginReport;

    fn from_args(args: &Value) -> Option<Self> {
        Some(Self(args.get("login_request")?.as_str()?.parse().ok()?))
    }

    async fn subject_role(&self, ctx: &Ctx) -> Result<Role, StoreError> {
        let Some(request) = ctx.store.login_request(self.0).await? else {
            return Ok(Role::Member);
        };
        if ctx.policy.admin_emails.contains(&request.email) {
            return Ok(Role::Admin);
        }
        let user = ctx.store.user_by_email(&request.email).await?;
        Ok(user.map(|user| user.role).unwrap_or_default())
    }

    async fn perform(
        &self,
        ctx: &Ctx,
        _: &Attempt,
        lease: &dyn CallGate,
    ) -> Result<LoginReport, StoreError> {
        let Some(request) = ctx.store.login_request(self.0).await? else {
            return Ok(LoginReport::Nothing);
        };
        if ctx.now() >= request.at + ctx.policy.login_link_lifetime() {
            return Ok(LoginReport::Nothing);
        }
        // One that was asked for later, and is due too, is the one that they wait for: after an
        // outage several are due at once. The newest may not be due yet.
        let (email, now) = (&request.email, ctx.now());
        if ctx.store.has_newer_due_login_request(email, request.ordinal, now).await? {
            return Ok(LoginReport::Nothing);
        }
        let (user, latest) = whose(ctx, &request.email).await?;
        let is_admin = bootstrap(ctx, &request.email, user.as_ref()).await?.is_some();
        match fitting(ctx, is_admin, user.as_ref(), latest.as_ref()) {
            Fitting::Nothing => Ok(LoginReport::Nothing),
            Fitting::Invitation => Ok(LoginReport::InviteAgain),
            Fitting::Link if !lease.may_call().await => Ok(LoginReport::NotBegun),
            Fitting::Link => {
                let mail = LoginMail {
                    email: request.email,
                    redirect_url: ctx.policy.authenticate_url.clone(),
                    expires_in_minutes: ctx.policy.login_minutes,
                };
                let sent = ctx.provider.send_login(&mail).await;
                Ok(LoginReport::Answered(sent.map(|_| ())))
            }
        }
    }

    async fn conclude(
        &self,
        ctx: &Ctx,
        attempt: &Attempt,
        performed: &Execution<LoginReport>,
    ) -> Result<(JobOutcome, Change), StoreError> {
        let outcome = match performed {
            Execution::Completed(LoginReport::Nothing | LoginReport::Answered(Ok(()))) => {
                JobOutcome::Done
            }
            Execution::Completed(LoginReport::NotBegun) => not_begun(ctx),
            Execution::Completed(LoginReport::InviteAgain) => {
                return Ok((JobOutcome::Done, self.invite_again(ctx).await?));
            }
            Execution::Completed(LoginReport::Answered(Err(error))) => {
                after_refusal(ctx, Self::RETRY, attempt, error)
            }
            Execution::Exhausted => JobOutcome::Dead(exhausted()),
            Execution::Failed(error) => again(ctx, Self::RETRY, attempt, error.clone()),
        };
        Ok((outcome, Change::new()))
    }
}

impl SendLoginLink {
    async fn invite_again(&self, ctx: &Ctx) -> Result<Change, StoreError> {
        let Some(request) = ctx.store.login_request(self.0).await? else {
            return Ok(Change::new());
        };
        let (Some(user), Some(invitation)) = whose(ctx, &request.email).await? else {
            return Ok(Change::new());
        };
        // Another asking, or an administrator, may have been faster.
        let is_admin = bootstrap(ctx, &request.email, Some(&user)).await?.is_some();
        if fitting(ctx, is_admin, Some(&user), Some(&invitation)) != Fitting::Invitation {
            return Ok(Change::new());
        }
        let change = resend::again(ctx, invitation, &user, &Actor::System);
        Ok(change.map(|(_, change)| change).unwrap_or_default())
    }
}

async fn whose(ctx: &Ctx, email: &Email) -> Result<(Option<User>, Option<Invitation>), StoreError> {
    let Some(user) = ctx.store.user_by_email(email).await? else {
        return Ok((None, None));
    };
    let latest = ctx.store.latest_invitation(user.id).await?;
    Ok((Some(user), latest))
}

#[derive(Debug, PartialEq, Eq)]
enum Fitting {
    Link,
    Invitation,
    Nothing,
}

/// What fits an address; `is_admin` where configuration lets it in without an invitation.
fn fitting(ctx: &Ctx, is_admin: bool, user: Option<&User>, latest: Option<&Invitation>) -> Fitting {
    let has_lapsed =
        latest.is_some_and(|latest| latest.status.is_open() && !latest.can_be_accepted(ctx.now()));
    match (user.map(|user| user.status), latest.map(|latest| latest.status)) {
        (Some(UserStatus::Active), _) => Fitting::Link,
        (None | Some(UserStatus::Invited), _) if is_admin => Fitting::Link,
        (Some(UserStatus::Invited), _) if has_lapsed => Fitting::Invitation,
        // What is queued is on its way; what was revoked stays so.
        (
            Some(UserStatus::Invited),
            Some(InvitationStatus::Sent | InvitationStatus::Expired | InvitationStatus::Failed),
        ) => Fitting::Invitation,
        _ => Fitting::Nothing,
    }
}
