//! One delivery of an invitation, what the job reports about it, and the look-up of what an earlier
//! call did whose answer was lost.

use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::json;

use crate::jobs::job::new_job;
use crate::{
    Attempt, Change, Ctx, Identity, Invitation, InvitationId, InvitationStatus, Job, NewJob,
    Operation, ProviderError, ProviderErrorKind, SentMail, StoreResult, User, is_credible,
};

/// How far the provider's clock may be slow when creation times of identities are compared.
pub(crate) const CLOCK_SKEW: Duration = Duration::from_secs(5);
/// How long a mail is held back by searches that fail.
const SEARCH_PATIENCE: Duration = Duration::from_mins(2);

/// Sends one delivery of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendInvitation {
    pub(crate) invitation: InvitationId,
    pub(crate) delivery: i32,
}

#[derive(Debug)]
pub enum DeliveryReport {
    /// The delivery is obsolete.
    NotWanted,
    NotStarted,
    /// An earlier call, whose answer was lost, has sent the mail: it created this identity.
    Found(Identity),
    /// The outcome of an earlier call could not be determined, so nothing was sent.
    Unknown(ProviderError),
    Called {
        result: Result<SentMail, ProviderError>,
        took: Duration,
        earlier_call: EarlierCall,
        rows: RowsRead,
    },
}

/// The invitation and its user as they were read before the call. The first conclusion takes them;
/// another one, after a conflict, has to read them again.
#[derive(Debug)]
pub struct RowsRead(Mutex<Option<Box<(Invitation, User)>>>);

impl RowsRead {
    pub(super) fn new(invitation: Invitation, user: Option<User>) -> Self {
        Self(Mutex::new(user.map(|user| Box::new((invitation, user)))))
    }

    pub(super) fn take(&self) -> Option<(Invitation, User)> {
        self.0.lock().take().map(|rows| *rows)
    }
}

/// What is known about an earlier call whose answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlierCall {
    None,
    /// It sent nothing: the address had no identity.
    NotSent,
    /// Nothing is known: the address had an identity before.
    Unknown,
}

impl SendInvitation {
    pub(crate) fn of(invitation: &Invitation) -> Self {
        Self { invitation: invitation.id, delivery: invitation.delivery }
    }

    /// Creates the job, due at the given time or else immediately.
    pub(crate) fn into_job(self, ctx: &Ctx, at: Option<Timestamp>) -> NewJob {
        let Self { invitation, delivery } = self;
        let args = json!({ "invitation": invitation, "delivery": delivery });
        let job = new_job::<Self>(ctx, args, Some(self.key()));
        NewJob { run_at: at.unwrap_or(job.run_at), ..job }
    }

    /// Returns the unique key of a delivery's job. Deliveries are numbered from 1.
    pub fn key_of(invitation: InvitationId, delivery: i32) -> String {
        Self { invitation, delivery }.key()
    }

    fn key(self) -> String {
        let Self { invitation, delivery } = self;
        format!("{}:{invitation}:{delivery}", Self::KIND)
    }

    /// Returns whether the invitation still waits for this delivery.
    pub(crate) fn is_wanted(self, invitation: &Invitation) -> bool {
        invitation.status == InvitationStatus::Queued && invitation.delivery == self.delivery
    }

    /// Returns the invitation if the mail may be sent now.
    pub(super) async fn wanted(self, ctx: &Ctx) -> StoreResult<Option<Invitation>> {
        let invitation = ctx.store.invitation(self.invitation).await?;
        Ok(invitation.filter(|one| self.is_wanted(one) && one.can_be_accepted(ctx.now())))
    }
}

/// Adds the cancellation of a failed invitation's dead job, because the invitation is sent by another
/// job or is obsolete.
pub(crate) fn cancel_dead_delivery(ctx: &Ctx, change: Change, invitation: &Invitation) -> Change {
    if invitation.status != InvitationStatus::Failed {
        return change;
    }
    let key = SendInvitation::of(invitation).key();
    change.operation(Operation::CancelIfDead { key, at: ctx.now() })
}

/// Returns the start of the first attempt whose outcome is unknown, because its answer or its worker was
/// lost.
pub(super) async fn in_doubt_since(
    ctx: &Ctx,
    invitation: &Invitation,
    attempt: &Attempt,
) -> StoreResult<Option<Timestamp>> {
    let is_lost = attempt.number > invitation.attempts + 1;
    // An attempt of a worker whose clock was ahead began at some time after the request.
    let now = ctx.now();
    let requested_at = invitation.requested_at().min(now);
    let start = |at: Timestamp| if is_credible(at, now) { at } else { requested_at };
    if invitation.in_doubt_since.is_some() || !is_lost {
        return Ok(invitation.in_doubt_since.map(start));
    }
    let lost = ctx.store.first_lost_attempt(attempt.job, requested_at).await?;
    Ok(Some(lost.map_or(requested_at, start)))
}

pub(super) enum LookUp {
    Send(EarlierCall),
    EndWith(DeliveryReport),
}

/// Determines what the earlier call did, as far as possible. A new identity shows that it was sent.
pub(super) async fn look_up(
    ctx: &Ctx,
    invitation: &Invitation,
    attempt: &Attempt,
    since: Timestamp,
) -> StoreResult<LookUp> {
    let user = ctx.store.user(invitation.user_id).await?;
    if invitation.as_login || user.is_none_or(|user| user.provider_user_id.is_some()) {
        return Ok(LookUp::Send(EarlierCall::Unknown));
    }
    let is_new = |identity: &Identity| {
        identity.created_at.is_some_and(|created_at| created_at + CLOCK_SKEW >= since)
    };
    Ok(match ctx.provider.find_user(&invitation.email).await {
        Ok(None) => LookUp::Send(EarlierCall::NotSent),
        Ok(Some(identity)) if is_new(&identity) => LookUp::EndWith(DeliveryReport::Found(identity)),
        Err(error) if is_worth_retrying(ctx, &error, attempt, since) => {
            LookUp::EndWith(DeliveryReport::Unknown(error))
        }
        Ok(Some(_)) | Err(_) => LookUp::Send(EarlierCall::Unknown),
    })
}

/// Returns whether a failed search is repeated before the mail is sent.
fn is_worth_retrying(
    ctx: &Ctx,
    error: &ProviderError,
    attempt: &Attempt,
    since: Timestamp,
) -> bool {
    match error.kind {
        ProviderErrorKind::Unavailable | ProviderErrorKind::Doubtful => {
            let now = ctx.now();
            let outage = attempt.outage.filter(|outage| is_credible(outage.to, now));
            let back_since = outage.map_or(since, |outage| outage.to.max(since));
            now < back_since + SEARCH_PATIENCE
        }
        ProviderErrorKind::Misconfigured => true,
        // A rejected search says nothing about the mail.
        kind => kind.is_rate_limit(),
    }
}
