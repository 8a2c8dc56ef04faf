//! Effects of cancelling or retrying a delivery's job on its invitation.

use jiff::Timestamp;
use serde_json::json;

use crate::flows::invitations::requeue_change;
use crate::jobs::{RevokeInvitation, SendInvitation};
use crate::{
    Actor, Change, Ctx, DeliveryError, EventKind, Invitation, Job, JobState, NewJob, QueuedJob,
    StoreResult,
};

/// Adds the failure of the invitation to a change, if it still waits for the delivery.
pub(super) async fn add_delivery_cancellation(
    ctx: &Ctx,
    change: Change,
    delivery: SendInvitation,
    job: &QueuedJob,
    by: &Actor,
) -> StoreResult<Change> {
    let invitation = ctx.store.invitation(delivery.invitation).await?;
    let Some(mut invitation) = invitation.filter(|one| one.delivery == delivery.delivery) else {
        return Ok(change);
    };
    if !delivery.is_wanted(&invitation) {
        // The update causes a conflict with a concurrent retry of the job, which resends the invitation.
        return Ok(change.require_invitation(&invitation));
    }
    let before = invitation.clone();
    let error = DeliveryError {
        code: Invitation::CANCELLED.into(),
        message: "an operator cancelled the delivery".into(),
        at: ctx.now(),
    };
    let attempts = invitation.attempts;
    // An attempt whose worker stopped may not be recorded on the invitation yet.
    let lost = ctx.store.first_lost_attempt(job.id, invitation.requested_at()).await?;
    let is_running = job.state == JobState::Running;
    let may_be_sent = is_running || invitation.in_doubt_since.is_some() || lost.is_some();
    if invitation.mark_failed(attempts, error).is_err() {
        return Ok(change);
    }
    // A worker that is just sending the mail enqueues this job too, but not if it stops before. After
    // the delivery's time limit the mail has been sent.
    let undo = may_be_sent.then(|| RevokeInvitation::job_for(ctx, &invitation));
    let undo = undo.map(|job| NewJob { run_at: job.run_at + SendInvitation::TIMEOUT, ..job });
    let change = Change { jobs: undo.into_iter().collect(), ..change };
    let detail = json!({ "code": Invitation::CANCELLED, "attempts": attempts });
    let event = ctx.invitation_event(EventKind::Failed, &invitation, by, detail);
    Ok(change.update_invitation(before, invitation).event(event))
}

/// Adds the resending of the invitation by the same job, and returns when the job is due. Returns `None`
/// if the delivery is obsolete or the invitation cannot be resent.
pub(super) async fn add_delivery_retry(
    ctx: &Ctx,
    mut change: Change,
    delivery: SendInvitation,
    by: &Actor,
) -> StoreResult<Option<(Timestamp, Change)>> {
    let invitation = ctx.store.invitation(delivery.invitation).await?;
    let Some(invitation) = invitation.filter(|one| one.delivery == delivery.delivery) else {
        return Ok(None);
    };
    let Some(user) = ctx.store.user(invitation.user_id).await? else { return Ok(None) };
    let latest = ctx.store.latest_invitation(user.id).await?;
    if latest.is_none_or(|latest| latest.id != invitation.id) {
        return Ok(None);
    }
    let Some((invitation, requeued)) =
        requeue_change(ctx, &invitation, invitation.delivery, &user, by)
    else {
        return Ok(None);
    };
    change.users = requeued.users;
    change.invitations = requeued.invitations;
    change.events.extend(requeued.events);
    let at = invitation.next_attempt_at.unwrap_or(ctx.now());
    Ok(Some((at, change)))
}
