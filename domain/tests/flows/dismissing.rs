//! The list of dead deliveries holds what nobody has looked after, and nothing else.

use guestlist_domain::flows::{JobOperationError, SendInvitation};
use guestlist_domain::{Invitation, InvitationStatus, JobId, Role};

use crate::support::{Call, House, JobState, at, errors, secs};

fn dead(t: &House) -> Vec<JobId> {
    let deliveries = t.jobs::<SendInvitation>().into_iter();
    deliveries.filter(|row| row.state == JobState::Dead).map(|row| row.job.id).collect()
}

#[test]
fn whatever_is_done_about_a_failed_invitation_takes_its_job_off_the_list() {
    type Does = fn(&House, &Invitation);
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
        let t = House::new();
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
fn what_fails_again_is_on_the_list_again_by_its_latest_job() {
    let t = House::new();
    let ada = t.ended("ada", InvitationStatus::Failed);
    t.stytch.refuses(Call::SendInvite, 1, &errors::rejected("inactive_email"));
    t.resend(ada.id).unwrap();

    t.work_for(secs(60));

    assert_eq!(t.again(&ada).status, InvitationStatus::Failed);
    assert_eq!(dead(&t), [t.job_id::<SendInvitation>()]);
    t.resend(ada.id).unwrap();
    assert_eq!(dead(&t), []);
}

#[test]
fn a_retry_in_place_does_not_dismiss_itself() {
    let t = House::new();
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
fn one_persons_dead_delivery_is_not_anothers() {
    let t = House::new();
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
    let t = House::new();
    let ada = t.invited("ada");
    let job = t.job_id::<SendInvitation>();
    t.stytch.refuses(Call::SendInvite, 1, &errors::rejected("inactive_email"));
    let in_flight = t.begin();
    t.cancel(job).unwrap();
    assert_eq!(t.again(&ada).status, InvitationStatus::Failed);

    t.revoke(ada.id).unwrap();

    assert_eq!(t.jobs::<SendInvitation>()[0].state, JobState::Running);
    t.settle(&in_flight).unwrap();
}

#[test]
fn an_administrator_by_configuration_who_comes_in_takes_their_failed_invitation_off_the_list() {
    let t = House::under(|policy| policy.admin_emails = vec![at("root")]);
    let failed = t.ended("root", InvitationStatus::Failed);
    t.log_in("root").unwrap();
    t.work();

    t.press(&t.link("root")).unwrap();

    assert_eq!(dead(&t), []);
    assert_eq!(t.again(&failed), failed);
}
