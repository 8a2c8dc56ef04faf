//! Sends the mail that answers a login request: a login link, an invitation, or nothing.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::job::{JobReport, arg, new_job, not_started, outcome_of_error};
use crate::flows::{bootstrap_permission, resend_change};
use crate::{
    Actor, Attempt, CallGate, Change, Ctx, Email, Invitation, InvitationStatus, Job, JobOutcome,
    LoginMail, LoginRequest, LoginRequestId, NewJob, ProviderError, QueueName, RetryPolicy, Role,
    StoreResult, User, UserStatus,
};

/// Sends the mail that answers a login request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendLoginLink(LoginRequestId);

impl SendLoginLink {
    /// Creates the job of a login request, due when the request's mail is.
    pub(crate) fn job_for(ctx: &Ctx, request: &LoginRequest) -> NewJob {
        let job = new_job::<Self>(ctx, json!({ "login_request": request.id }), None);
        NewJob { run_at: request.send_at, ..job }
    }
}

#[derive(Debug)]
pub enum LoginReport {
    /// No mail is due, or the request is obsolete.
    NotWanted,
    NotStarted,
    /// The invitation has to be resent.
    ResendInvitation,
    Called(Result<(), ProviderError>),
}

impl JobReport for LoginReport {
    fn outcome(&self, ctx: &Ctx, retry: RetryPolicy, attempt: &Attempt) -> JobOutcome {
        match self {
            Self::NotWanted | Self::ResendInvitation | Self::Called(Ok(())) => JobOutcome::Done,
            Self::NotStarted => not_started(ctx),
            Self::Called(Err(error)) => outcome_of_error(ctx, retry, attempt, error),
        }
    }
}

#[async_trait]
impl Job for SendLoginLink {
    const KIND: &'static str = "send-login";
    const QUEUE: QueueName = QueueName::Login;
    type Report = LoginReport;

    fn from_args(args: &Value) -> Option<Self> {
        arg(args, "login_request").map(Self)
    }

    async fn subject_role(&self, ctx: &Ctx) -> StoreResult<Role> {
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
        gate: &dyn CallGate,
    ) -> StoreResult<LoginReport> {
        let Some(LoginRequest { email, ordinal, at, .. }) = ctx.store.login_request(self.0).await?
        else {
            return Ok(LoginReport::NotWanted);
        };
        let now = ctx.now();
        // Only the newest due request is answered; after an outage several are due at once. The newest
        // of all may not be due yet.
        if now >= at + ctx.policy.login_link_lifetime()
            || ctx.store.has_newer_due_login_request(&email, ordinal, now).await?
        {
            return Ok(LoginReport::NotWanted);
        }
        match Recipient::read(ctx, &email).await?.mail(ctx) {
            Mail::None => Ok(LoginReport::NotWanted),
            Mail::Invitation => Ok(LoginReport::ResendInvitation),
            Mail::LoginLink if !gate.may_call().await => Ok(LoginReport::NotStarted),
            Mail::LoginLink => {
                let mail = LoginMail {
                    email,
                    redirect_url: ctx.policy.authenticate_url.clone(),
                    expires_in_minutes: ctx.policy.login_minutes,
                };
                let sent = ctx.provider.send_login(&mail).await;
                Ok(LoginReport::Called(sent.map(|_| ())))
            }
        }
    }

    async fn record(&self, ctx: &Ctx, report: &LoginReport) -> StoreResult<Change> {
        if !matches!(report, LoginReport::ResendInvitation) {
            return Ok(Change::new());
        }
        let Some(request) = ctx.store.login_request(self.0).await? else {
            return Ok(Change::new());
        };
        let recipient = Recipient::read(ctx, &request.email).await?;
        // Another login request, or an administrator, may have resent it since.
        if recipient.mail(ctx) != Mail::Invitation {
            return Ok(Change::new());
        }
        let (Some(user), Some(invitation)) = (recipient.user, recipient.invitation) else {
            return Ok(Change::new());
        };
        let change = resend_change(ctx, &invitation, &user, &Actor::System);
        Ok(change.map(|(_, change)| change).unwrap_or_default())
    }
}

/// What is known about the address of a login request.
struct Recipient {
    user: Option<User>,
    /// The user's newest invitation.
    invitation: Option<Invitation>,
    /// Whether the configuration permits a login without an invitation.
    may_bootstrap: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Mail {
    LoginLink,
    Invitation,
    None,
}

impl Recipient {
    async fn read(ctx: &Ctx, email: &Email) -> StoreResult<Self> {
        let user = ctx.store.user_by_email(email).await?;
        let invitation = ctx.latest_invitation(user.as_ref()).await?;
        let may_bootstrap = bootstrap_permission(ctx, email, user.as_ref()).await?.is_some();
        Ok(Self { user, invitation, may_bootstrap })
    }

    fn mail(&self, ctx: &Ctx) -> Mail {
        let has_expired = self.invitation.as_ref().is_some_and(|invitation| {
            invitation.status.is_open() && !invitation.can_be_accepted(ctx.now())
        });
        let status = self.invitation.as_ref().map(|invitation| invitation.status);
        match (self.user.as_ref().map(|user| user.status), status) {
            (Some(UserStatus::Active), _) => Mail::LoginLink,
            (None | Some(UserStatus::Invited), _) if self.may_bootstrap => Mail::LoginLink,
            (Some(UserStatus::Invited), _) if has_expired => Mail::Invitation,
            // A queued invitation is about to be sent; a revoked one stays revoked.
            (
                Some(UserStatus::Invited),
                Some(InvitationStatus::Sent | InvitationStatus::Expired | InvitationStatus::Failed),
            ) => Mail::Invitation,
            _ => Mail::None,
        }
    }
}
