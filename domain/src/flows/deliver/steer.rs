//! What an operator's hand on a delivery's job does to its invitation.

use jiff::Timestamp;
use serde_json::json;

use super::SendInvitation;
use crate::flows::RevokeInvitation;
use crate::flows::resend::renew;
use crate::{
    Actor, Change, Ctx, DeliveryError, EventKind, Invitation, InvitationStatus, Job, JobState,
    NewJob, Operation, QueuedJob, StoreError,
};

/// Adds that nobody need look after the job of an invitation that could not be sent: it is sent
/// again by another, or not wanted any more.
pub(in crate::flows) fn dismiss(ctx: &Ctx, change: Change, invitation: &Invitation) -> Change {
    if invitation.status != InvitationStatus::Failed {
        return change;
    }
    let key = SendInvitation::of(invitation).key();
    change.operation(Operation::CancelIfDead { key, at: ctx.now() })
}

impl SendInvitation {
    /// Adds that the invitation failed, if it still waits for this delivery.
    pub(in crate::flows) async fn cancel(
        self,
        ctx: &Ctx,
        change: Change,
        job: &QueuedJob,
        by: &Actor,
    ) -> Result<Change, StoreError> {
        let invitation = ctx.store.invitation(self.invitation).await?;
        let Some(mut invitation) = invitation.filter(|one| one.delivery == self.delivery) else {
            return Ok(change);
        };
        if !self.is_wanted(&invitation) {
            // Written all the same: whoever has the job run again meanwhile sends it again.
            return Ok(change.update_invitation(invitation));
        }
        let error = DeliveryError {
            code: Invitation::CANCELLED.into(),
            message: "an operator withdrew its delivery".into(),
            at: ctx.now(),
        };
        let attempts = invitation.attempts;
        // A worker that died over it may not have been told of yet.
        let first_lost_attempt =
            ctx.store.first_lost_attempt(job.id, invitation.requested_at()).await?;
        let is_running = job.state == JobState::Running;
        let may_be_out =
            is_running || invitation.in_doubt_since.is_some() || first_lost_attempt.is_some();
        if invitation.failed(attempts, error).is_err() {
            return Ok(change);
        }
        // A worker that is just sending it says so again when it is done; one that dies over it
        // can't. By then the mail has left.
        let undo = may_be_out.then(|| RevokeInvitation::of(&invitation).into_job(ctx));
        let undo = undo.map(|job| NewJob { run_at: job.run_at + Self::TIMEOUT, ..job });
        let change = Change { jobs: undo.into_iter().collect(), ..change };
        let detail = json!({ "code": Invitation::CANCELLED, "attempts": attempts });
        let event = ctx.invitation_event(EventKind::Failed, &invitation, by, detail);
        Ok(change.update_invitation(invitation).event(event))
    }

    /// Adds that the invitation is to be sent again by this same job, and says when; none when it
    /// was sent again by another since, or can't be any more.
    pub(in crate::flows) async fn again(
        self,
        ctx: &Ctx,
        mut change: Change,
        by: &Actor,
    ) -> Result<Option<(Timestamp, Change)>, StoreError> {
        let invitation = ctx.store.invitation(self.invitation).await?;
        let Some(invitation) = invitation.filter(|i| i.delivery == self.delivery) else {
            return Ok(None);
        };
        let Some(user) = ctx.store.user(invitation.user_id).await? else { return Ok(None) };
        let latest = ctx.store.latest_invitation(user.id).await?;
        if latest.is_none_or(|latest| latest.id != invitation.id) {
            return Ok(None);
        }
        let Some((invitation, renewed)) = renew(ctx, invitation, &user, by) else {
            return Ok(None);
        };
        change.users = renewed.users;
        change.invitations = renewed.invitations;
        change.events.extend(renewed.events);
        let at = invitation.next_attempt_at.unwrap_or(ctx.now());
        Ok(Some((at, change)))
    }
}
