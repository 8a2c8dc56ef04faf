//! Operations on jobs that a worker is running.

use guestlist_domain::flows::{JobOperationError, RedeemError};
use guestlist_domain::jobs::{RevokeInvitation, SendInvitation};
use guestlist_domain::{Invitation, InvitationStatus, Role, Verdict};

use crate::support::{
    Call, Fault, InFlight, JobState, Link, Simulation, errors, hours, mins, secs,
};

/// Creates an invitation whose delivery was cancelled in flight.
fn withdrawn_on_its_way(t: &Simulation, fault: Option<Fault>) -> (Invitation, InFlight) {
    let ada = t.invited("ada");
    if let Some(fault) = fault {
        t.provider.next(Call::SendInvite, fault);
    }
    let in_flight = t.perform_next();
    t.cancel(t.job_id::<SendInvitation>()).unwrap();
    (ada, in_flight)
}

fn stays_cancelled(t: &Simulation, ada: &Invitation) {
    let failed = t.again(ada);
    assert_eq!(failed.status, InvitationStatus::Failed);
    assert_eq!(failed.last_error.unwrap().code, "cancelled");
}

#[test]
fn a_link_of_a_delivery_cancelled_in_flight_is_refused() {
    let t = Simulation::new();
    let (ada, in_flight) = withdrawn_on_its_way(&t, None);
    let link = t.link("ada");

    let refused = t.redeem(&link);
    assert!(matches!(refused, Err(RedeemError::NotInvited)), "{refused:?}");
    t.settle(&in_flight).unwrap();

    stays_cancelled(&t, &ada);
    assert_eq!(t.event_kinds(&ada), ["requested", "failed", "attempted"]);
    assert_eq!(t.job::<SendInvitation>().state, JobState::Done, "it was faster");
}

#[test]
fn a_link_of_a_delivery_cancelled_in_flight_is_revoked() {
    for fault in [None, Some(Fault::AnswerLost)] {
        let t = Simulation::new();
        let (ada, in_flight) = withdrawn_on_its_way(&t, fault);

        t.settle(&in_flight).unwrap();
        t.work();

        stays_cancelled(&t, &ada);
        assert_eq!(t.link_state("ada"), Link::Revoked);
        assert!(t.redeem(&t.link("ada")).is_err());
    }
}

#[test]
fn a_link_of_a_delivery_cancelled_while_the_result_is_written_is_revoked() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let in_flight = t.perform_next();
    let other = t.clone();
    t.store.run_before_next_apply(move || other.cancel(other.job_id::<SendInvitation>()).unwrap());

    assert_eq!(t.settle(&in_flight).unwrap(), Verdict::Applied);
    t.work();

    stays_cancelled(&t, &ada);
    assert_eq!(t.link_state("ada"), Link::Revoked);
}

#[test]
fn a_delivery_cancelled_while_its_call_fails_is_not_retried() {
    let ends = [
        (errors::internal(), JobState::Cancelled),
        (errors::rate_limited(None), JobState::Cancelled),
        (errors::misconfigured(), JobState::Cancelled),
        (errors::rejected("bad_request"), JobState::Dead),
    ];
    for (error, end) in ends {
        let t = Simulation::new();
        let (ada, in_flight) = withdrawn_on_its_way(&t, Some(Fault::Refused(error)));

        t.settle(&in_flight).unwrap();
        t.work_for(hours(1));

        stays_cancelled(&t, &ada);
        assert!(t.inbox("ada").is_empty());
        assert_eq!(t.job::<SendInvitation>().state, end);
        t.retry(t.job_id::<SendInvitation>()).unwrap();
        t.work();
        assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
    }
}

#[test]
fn a_cancelled_delivery_of_a_lost_worker_is_not_rescued() {
    let t = Simulation::new();
    let (ada, _dies) = withdrawn_on_its_way(&t, None);

    t.rescue();
    t.work_for(hours(1));

    stays_cancelled(&t, &ada);
    assert_eq!(t.job::<SendInvitation>().state, JobState::Cancelled);
    assert_eq!(t.inbox("ada").len(), 1);
    assert!(t.redeem(&t.link("ada")).is_err());
}

#[test]
fn a_link_of_a_cancelled_delivery_of_a_lost_worker_is_revoked() {
    for fault in [None, Some(Fault::AnswerLost)] {
        let t = Simulation::new();
        let (_, _dies) = withdrawn_on_its_way(&t, fault);
        assert_eq!(
            t.jobs::<RevokeInvitation>().len(),
            1,
            "at once: nobody may come back to say so"
        );
        assert_eq!(t.link_state("ada"), Link::Outstanding);
        t.rescue();
        t.work_for(secs(29));
        assert_eq!(t.provider.call_count(Call::RevokeInvite), 0, "its mail may not have left yet");

        t.work_for(secs(1));

        assert_eq!(t.link_state("ada"), Link::Revoked);
        assert_eq!(t.job::<RevokeInvitation>().state, JobState::Done);
    }
}

#[test]
fn a_possible_link_of_a_delivery_cancelled_between_attempts_is_revoked() {
    for (fault, undone) in [
        (Fault::AnswerLost, 1),
        (Fault::CallLost, 1),
        (Fault::Refused(errors::internal()), 0),
        (Fault::Refused(errors::rate_limited(None)), 0),
    ] {
        let t = Simulation::new();
        let ada = t.invited("ada");
        t.provider.next(Call::SendInvite, fault.clone());
        t.work();

        t.cancel(t.job_id::<SendInvitation>()).unwrap();

        stays_cancelled(&t, &ada);
        assert_eq!(t.jobs::<RevokeInvitation>().len(), undone, "after {fault:?}");
        t.work_for(secs(30));
        let links: Vec<_> = t.inbox("ada").iter().map(|mail| mail.link).collect();
        assert!(links.iter().all(|link| *link == Link::Revoked), "after {fault:?}: {links:?}");
    }
}

#[test]
fn a_link_of_a_delivery_cancelled_after_its_worker_was_lost_is_revoked() {
    let t = Simulation::new();
    let ada = t.lost_delivery("ada", Fault::AnswerLost);

    t.cancel(t.job_id::<SendInvitation>()).unwrap();
    t.work_for(secs(30));

    stays_cancelled(&t, &ada);
    assert_eq!(t.link_state("ada"), Link::Revoked);
}

#[test]
fn a_link_of_a_cancelled_delivery_is_revoked_at_once_when_its_worker_reports() {
    let t = Simulation::new();
    let (_, in_flight) = withdrawn_on_its_way(&t, None);

    t.settle(&in_flight).unwrap();
    assert_eq!(t.jobs::<RevokeInvitation>().len(), 2, "as it is withdrawn, and as its mail is out");
    t.work();

    assert_eq!(t.link_state("ada"), Link::Revoked);
    t.work_for(secs(30));
    assert!(t.jobs::<RevokeInvitation>().iter().all(|row| row.state == JobState::Done));
}

#[test]
fn a_delivery_cancelled_before_any_call_revokes_nothing() {
    let t = Simulation::new();
    t.invited("ada");

    t.cancel(t.job_id::<SendInvitation>()).unwrap();
    t.work();

    assert!(t.jobs::<RevokeInvitation>().is_empty());
    assert_eq!(t.provider.call_count(Call::RevokeInvite), 0);
}

#[test]
fn a_settled_delivery_cannot_be_cancelled() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let in_flight = t.perform_next();
    let other = t.clone();
    t.store.run_before_next_apply(move || drop(other.settle(&in_flight)));

    let refused = t.cancel(t.job_id::<SendInvitation>());

    assert!(matches!(refused, Err(JobOperationError::WrongState(JobState::Done))), "{refused:?}");
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "sent"]);
}

#[test]
fn an_invitation_accepted_during_a_cancellation_stays_accepted() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let in_flight = t.perform_next();
    let (other, link) = (t.clone(), t.link("ada"));
    t.store.run_before_next_apply(move || drop(other.redeem(&link).unwrap()));

    t.cancel(t.job_id::<SendInvitation>()).unwrap();
    t.settle(&in_flight).unwrap();
    t.work();

    assert_eq!(t.again(&ada).status, InvitationStatus::Accepted);
    assert_eq!(t.event_kinds(&ada), ["requested", "accepted", "attempted"]);
    assert!(t.jobs::<RevokeInvitation>().is_empty());
}

#[test]
fn a_cancellations_revocation_keeps_the_link_of_a_later_retry() {
    let t = Simulation::new();
    // In the second attempt a mail may have been sent; and the queue has time to end the job.
    let ada = t.invited("ada");
    t.provider.next(Call::SendInvite, Fault::AnswerLost);
    t.provider.refuses(Call::FindUser, 1, &errors::rate_limited(None));
    t.work();
    t.wait(secs(3));
    let searching = t.perform_next();
    t.cancel(t.job_id::<SendInvitation>()).unwrap();
    t.settle(&searching).unwrap();
    assert_eq!(t.job::<SendInvitation>().state, JobState::Cancelled);
    let revocations = t.jobs::<RevokeInvitation>().len();
    assert_eq!(
        revocations, 2,
        "as it is withdrawn, and as its worker says that the mail may be out"
    );
    t.provider.refuses(Call::RevokeInvite, revocations, &errors::internal());
    t.work();

    t.retry(t.job_id::<SendInvitation>()).unwrap();
    t.work_for(mins(5));

    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
    assert!(t.jobs::<RevokeInvitation>().iter().all(|row| row.state == JobState::Done));
    assert_eq!(t.link_state("ada"), Link::Outstanding);
    assert!(t.redeem(&t.link("ada")).is_ok());
}

#[test]
fn a_cancellations_revocation_keeps_the_link_of_a_later_resend() {
    let t = Simulation::new();
    let (ada, in_flight) = withdrawn_on_its_way(&t, None);
    t.settle(&in_flight).unwrap();
    t.provider.refuses(Call::RevokeInvite, 1, &errors::internal());
    t.work();

    t.resend(ada.id).unwrap();
    t.work_for(mins(5));

    assert_eq!((t.inbox("ada").len(), t.link_state("ada")), (2, Link::Outstanding));
    assert!(t.redeem(&t.link("ada")).is_ok());
}

#[test]
fn an_invitation_resent_while_a_cancelled_mail_is_in_flight_is_queued() {
    let t = Simulation::new();
    let (ada, in_flight) = withdrawn_on_its_way(&t, None);
    t.resend(ada.id).unwrap();

    t.settle(&in_flight).unwrap();

    assert_eq!(t.again(&ada).status, InvitationStatus::Queued);
    t.work_for(secs(2));
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
    assert_eq!(t.provider.call_count(Call::RevokeInvite), 0, "it would take the new link back");
}

#[test]
fn a_late_failure_after_the_next_delivery_was_cancelled_leaves_no_dead_job() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::rejected("bad_request"));
    let in_flight = t.perform_next();
    t.resend(ada.id).unwrap();
    t.cancel(t.job_id::<SendInvitation>()).unwrap();

    t.settle(&in_flight).unwrap();

    stays_cancelled(&t, &ada);
    let states: Vec<_> = t.jobs::<SendInvitation>().iter().map(|row| row.state).collect();
    assert_eq!(states, [JobState::Done, JobState::Cancelled]);
}

#[test]
fn of_two_concurrent_cancellations_one_reports_the_wrong_state() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let other = t.clone();
    t.store.run_before_next_apply(move || other.cancel(other.job_id::<SendInvitation>()).unwrap());

    let refused = t.cancel(t.job_id::<SendInvitation>());

    assert!(
        matches!(refused, Err(JobOperationError::WrongState(JobState::Cancelled))),
        "{refused:?}"
    );
    assert_eq!(t.event_kinds(&ada), ["requested", "failed"]);
}

#[test]
fn a_delivery_cancelled_during_a_retry_fails() {
    let t = Simulation::new();
    drop(withdrawn_on_its_way(&t, None));
    let (other, job) = (t.clone(), t.job_id::<SendInvitation>());
    t.store.run_before_next_apply(move || {
        other.rescue();
        other.retry(job).unwrap();
    });

    t.cancel(job).unwrap();
    t.work_for(mins(1));

    stays_cancelled(&t, &t.invitations("ada")[0]);
    assert_eq!(t.job::<SendInvitation>().state, JobState::Cancelled);
    t.retry(job).unwrap();
    t.work_for(secs(2));
    assert_eq!(t.invitations("ada")[0].status, InvitationStatus::Sent);
}

#[test]
fn a_delivery_retried_during_a_dismissal_is_sent() {
    let t = Simulation::new();
    let ada = t.ended("ada", InvitationStatus::Failed);
    let (other, job) = (t.clone(), t.job_id::<SendInvitation>());
    t.store.run_before_next_apply(move || other.retry(job).unwrap());

    let refused = t.dismiss(job);
    t.work_for(secs(2));

    let is_alive = |state: JobState| state.can_be_cancelled();
    assert!(matches!(refused, Err(JobOperationError::WrongState(state)) if is_alive(state)));
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
}

#[test]
fn of_two_concurrent_retries_one_succeeds() {
    let t = Simulation::new();
    let ada = t.ended("ada", InvitationStatus::Failed);
    let other = t.clone();
    t.store.run_before_next_apply(move || other.retry(other.job_id::<SendInvitation>()).unwrap());

    let refused = t.retry(t.job_id::<SendInvitation>());

    assert!(
        matches!(refused, Err(JobOperationError::WrongState(JobState::Scheduled))),
        "{refused:?}"
    );
    t.work_for(secs(2));
    assert_eq!(t.inbox("ada").len(), 1);
    assert_eq!(t.event_kinds(&ada)[3..], ["resent", "attempted", "sent"]);
}

#[test]
fn of_a_concurrent_retry_and_resend_one_succeeds() {
    for resent_first in [true, false] {
        let t = Simulation::new();
        let ada = t.ended("ada", InvitationStatus::Failed);
        let (other, job) = (t.clone(), t.job_id::<SendInvitation>());
        t.store.run_before_next_apply(move || {
            if resent_first {
                other.resend(ada.id).unwrap();
            } else {
                other.retry(job).unwrap();
            }
        });

        if resent_first {
            assert!(matches!(t.retry(job), Err(JobOperationError::Superseded)));
        } else {
            assert!(t.resend(ada.id).is_err(), "too soon");
        }

        t.work_for(secs(2));
        assert_eq!(t.inbox("ada").len(), 1);
    }
}

#[test]
fn a_delivery_that_becomes_obsolete_during_a_retry_is_superseded() {
    type Moves = fn(&Simulation, &Invitation);
    let moves: [Moves; 4] = [
        |t, ada| drop(t.revoke(ada.id).unwrap()),
        |t, _| drop(t.invited("ada")),
        |t, _| drop(t.add("ada", Role::Member).unwrap()),
        |t, ada| drop(t.remove(ada.user_id).unwrap()),
    ];
    for (n, moves) in moves.into_iter().enumerate() {
        let t = Simulation::new();
        let ada = t.ended("ada", InvitationStatus::Failed);
        let (other, seen, dead) = (t.clone(), ada.clone(), t.job_id::<SendInvitation>());
        t.store.run_before_next_apply(move || moves(&other, &seen));

        assert!(matches!(t.retry(dead), Err(JobOperationError::Superseded)));

        assert_ne!(t.again(&ada).status, InvitationStatus::Queued);
        t.work_for(secs(2));
        assert_eq!(
            t.inbox("ada").len(),
            usize::from(n == 1),
            "only who was invited anew is mailed"
        );
    }
}
