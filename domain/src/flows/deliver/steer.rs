//! What an operator's hand on a delivery's job does to its invitation.

use jiff::Timestamp;
use serde_json::json;

use super::SendInvite;
use crate::flows::RevokeInvite;
use crate::flows::resend::renew;
use crate::{
    Actor, Change, Ctx, DeliveryError, EventKind, Invitation, InvitationStatus, Operation,
    StoreError,
};

/// Adds that nobody need look after the job of an invitation that could not be sent: it is sent
/// again by another, or not wanted any more.
pub(in crate::flows) fn dismiss(ctx: &Ctx, change: Change, invitation: &Invitation) -> Change {
    if invitation.status != InvitationStatus::Failed {
        return change;
    }
    let key = SendInvite::of(invitation).key();
    change.operation(Operation::Dismiss { key, at: ctx.now() })
}

impl SendInvite {
    /// Adds that the invitation failed, if it still waits for this delivery.
    pub(in crate::flows) async fn cancel(
        self,
        ctx: &Ctx,
        change: Change,
        is_running: bool,
        by: &Actor,
    ) -> Result<Change, StoreError> {
        let invitation = ctx.store.invitation(self.invitation).await?;
        let Some(mut invitation) = invitation.filter(|invitation| self.is_wanted(invitation))
        else {
            return Ok(change);
        };
        let error = DeliveryError {
            code: Invitation::CANCELLED.into(),
            message: "an operator withdrew its delivery".into(),
            at: ctx.now(),
        };
        let attempts = invitation.attempts;
        let may_be_out = is_running || invitation.in_doubt;
        if invitation.failed(attempts, error).is_err() {
            return Ok(change);
        }
        // A worker that is just sending it says so again; one that dies over it can't.
        let undo = may_be_out.then(|| RevokeInvite::of(&invitation).into_job(ctx));
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
