//! One delivery of an invitation, and what the job reports about it.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::jobs::job::new_job;
use crate::{
    Change, Ctx, Identity, Invitation, InvitationId, InvitationStatus, Job, NewJob, Operation,
    ProviderError, SentMail, StoreResult,
};

/// Sends one delivery of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendInvitation {
    pub(crate) invitation: InvitationId,
    pub(crate) delivery: i32,
}

/// The result of performing a delivery.
#[derive(Debug)]
pub enum DeliveryReport {
    /// The delivery is obsolete.
    NotWanted,
    /// The call was not permitted.
    NotStarted,
    /// An earlier call, whose answer was lost, has sent the mail: it created this identity.
    Found(Identity),
    /// The outcome of an earlier call could not be determined, so nothing was sent.
    Unknown(ProviderError),
    /// The mail was requested.
    Called { result: Result<SentMail, ProviderError>, took: Duration, earlier_call: EarlierCall },
}

/// What is known about an earlier call whose answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlierCall {
    /// There was none.
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
