//! Dead jobs of deliveries: only those that need attention remain.

use guestlist_domain::flows::JobOperationError;
use guestlist_domain::jobs::SendInvitation;
use guestlist_domain::{Invitation, InvitationStatus, JobId, Role};

use crate::support::{Call, JobState, Simulation, at, errors, secs};

fn dead(t: &Simulation) -> Vec<JobId> {
    let deliveries = t.jobs::<SendInvitation>().into_iter();
    deliveries.filter(|row| row.state == JobState::Dead).map(|row| row.job.id).collect()
}

#[test]
fn every_action_on_a_failed_invitation_cancels_its_dead_job() {
    type Does = fn(&Simulation, &Invitation);
    let ways: [(Does, usize); 6] = [
        (|t, ada| drop(t.resend(ada.id).unwrap()), 1),
        (|t, ada| drop(t.revoke(ada.id).unwrap()), 0),
        (|t, _| drop(t.invited("ada")), 1),
        (
            |t, _| {
                t.wait(secs(60));
                t.log_in("ada").unwrap();
                t.step_or_rest();
            },
            1,
        ),
        (|t, _| drop(t.add("ada", Role::Member).unwrap()), 0),
        (|t, ada| drop(t.remove(ada.user_id).unwrap()), 0),
    ];
    for (n, (does, mails)) in ways.into_iter().enumerate() {
        let t = Simulation::new();
        let ada = t.ended("ada", InvitationStatus::Failed);
        let job = t.job_id::<SendInvitation>();
        assert_eq!(dead(&t), [job], "{n}");

        does(&t, &ada);

        assert_eq!(dead(&t), [], "{n}");
        assert_eq!(t.jobs::<SendInvitation>()[0].state, JobState::Cancelled, "{n}");
        assert!(matches!(t.retry(job), Err(JobOperationError::Superseded)), "{n}");
        t.work_for(secs(60));
        assert_eq!(t.inbox("ada").len(), mails, "{n}");
    }
}

#[test]
fn a_resent_invitation_that_fails_again_has_one_dead_job() {
    let t = Simulation::new();
    let ada = t.ended("ada", InvitationStatus::Failed);
    t.provider.refuses(Call::SendInvite, 1, &errors::rejected("inactive_email"));
    t.resend(ada.id).unwrap();

    t.work_for(secs(60));

    assert_eq!(t.again(&ada).status, InvitationStatus::Failed);
    assert_eq!(dead(&t), [t.job_id::<SendInvitation>()]);
    t.resend(ada.id).unwrap();
    assert_eq!(dead(&t), []);
}

#[test]
fn a_retried_job_is_not_cancelled_by_its_own_retry() {
    let t = Simulation::new();
    let ada = t.ended("ada", InvitationStatus::Failed);
    let job = t.job_id::<SendInvitation>();

    t.retry(job).unwrap();

    let row = t.job::<SendInvitation>();
    assert_eq!((row.job.id, row.attempts), (job, 0));
    assert!(row.is_waiting(), "{:?}", row.state);
    t.work_for(secs(60));
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
    assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
}

#[test]
fn actions_do_not_affect_another_users_dead_job() {
    let t = Simulation::new();
    let ada = t.ended("ada", InvitationStatus::Failed);
    let job = t.job_id::<SendInvitation>();
    let bob = t.ended("bob", InvitationStatus::Failed);

    t.revoke(bob.id).unwrap();

    assert_eq!(dead(&t), [job]);
    t.revoke(ada.id).unwrap();
    assert_eq!(dead(&t), []);
}

#[test]
fn only_dead_jobs_are_dismissed() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let job = t.job_id::<SendInvitation>();
    t.provider.refuses(Call::SendInvite, 1, &errors::rejected("inactive_email"));
    let in_flight = t.perform_next();
    t.cancel(job).unwrap();
    assert_eq!(t.again(&ada).status, InvitationStatus::Failed);

    t.revoke(ada.id).unwrap();

    assert_eq!(t.jobs::<SendInvitation>()[0].state, JobState::Running);
    t.settle(&in_flight).unwrap();
}

#[test]
fn a_bootstrap_login_cancels_the_dead_job_of_a_failed_invitation() {
    let t = Simulation::with_policy(|policy| policy.admin_emails = vec![at("root")]);
    let failed = t.ended("root", InvitationStatus::Failed);
    t.log_in("root").unwrap();
    t.work();

    t.redeem(&t.link("root")).unwrap();

    assert_eq!(dead(&t), []);
    assert_eq!(t.again(&failed), failed);
}
