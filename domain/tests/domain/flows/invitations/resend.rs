//! Resending an invitation.

use guestlist_domain::InvitationStatus;
use guestlist_domain::flows::{InvitationError, NewInvitation};
use guestlist_domain::jobs::SendInvitation;
use guestlist_domain::{InvitationId, Role};

use crate::support::{Call, JobState, Simulation, days, errors, hours, mins, secs};

#[test]
fn a_resent_invitation_has_a_new_link_and_expiry() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.wait(days(2));

    let resent = t.resend(ada.id).unwrap();

    assert_eq!((resent.status, resent.delivery), (InvitationStatus::Queued, 2));
    assert_eq!((resent.attempts, resent.sent_at), (0, None));
    assert_eq!(resent.expires_at, t.now() + days(7));
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "sent", "resent"]);
    t.work();
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
    assert_eq!(t.inbox("ada").len(), 2);
    assert_eq!(t.inbox("ada")[1].minutes, 10_080);
}

#[test]
fn a_resend_keeps_the_original_lifetime() {
    let t = Simulation::new();
    let ada = t
        .invite_as(NewInvitation {
            expires_in_minutes: Some(90),
            ..Simulation::invitation_of("ada")
        })
        .unwrap();
    t.wait(mins(60));
    t.resend(ada.id).unwrap();
    t.wait(mins(60));

    let twice = t.resend(ada.id).unwrap();

    assert_eq!(twice.expires_at, t.now() + mins(90));
}

#[test]
fn a_failed_or_expired_invitation_can_be_resent() {
    for end in [InvitationStatus::Failed, InvitationStatus::Expired] {
        let t = Simulation::new();
        let ada = t.ended("ada", end);

        let resent = t.resend(ada.id).unwrap();
        assert_eq!((resent.status, &resent.last_error), (InvitationStatus::Queued, &None));

        t.work_for(secs(2));
        assert_eq!(t.again(&ada).status, InvitationStatus::Sent, "after {end}");
        assert!(t.redeem(&t.link("ada")).is_ok(), "after {end}");
    }
}

#[test]
fn an_accepted_or_revoked_invitation_cannot_be_resent() {
    let t = Simulation::new();
    let revoked = t.ended("ada", InvitationStatus::Revoked);
    assert!(matches!(t.resend(revoked.id), Err(InvitationError::Closed)));

    let accepted = t.sent("bob");
    t.redeem(&t.link("bob")).unwrap();
    assert!(matches!(t.resend(accepted.id), Err(InvitationError::Closed)));
}

#[test]
fn the_invitation_of_an_active_user_cannot_be_resent() {
    let t = Simulation::new();
    let ada = t.ended("ada", InvitationStatus::Failed);
    t.add("ada", Role::Member).unwrap();

    assert!(matches!(t.resend(ada.id), Err(InvitationError::Closed)));
}

#[test]
fn an_unknown_invitation_is_not_found() {
    let t = Simulation::new();
    let unknown = InvitationId(t.ctx.ids.next());
    assert!(matches!(t.resend(unknown), Err(InvitationError::NotFound)));
}

#[test]
fn an_address_with_a_newer_open_invitation_cannot_be_resent_an_older_one() {
    let t = Simulation::new();
    let old = t.ended("ada", InvitationStatus::Failed);
    let new = t.invited("ada");

    let refused = t.resend(old.id);

    assert!(matches!(refused, Err(InvitationError::AlreadyInvited(id)) if id == new.id));
    assert_eq!(t.again(&old).status, InvitationStatus::Failed);
}

#[test]
fn only_the_newest_invitation_can_be_resent() {
    let t = Simulation::new();
    let old = t.ended("ada", InvitationStatus::Failed);
    t.wait(secs(1));
    let new = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::rejected("inactive_email"));
    t.work();

    assert!(matches!(t.resend(old.id), Err(InvitationError::Closed)));
    assert!(t.resend(new.id).is_ok());
}

#[test]
fn a_resend_too_soon_returns_the_wait() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.resend(ada.id).unwrap();
    t.wait(secs(12));

    assert!(matches!(t.resend(ada.id), Err(InvitationError::TooSoon(wait)) if wait == secs(18)));

    t.wait(secs(18));
    assert!(t.resend(ada.id).is_ok());
}

#[test]
fn closed_takes_precedence_over_too_soon() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.resend(ada.id).unwrap();
    t.revoke(ada.id).unwrap();
    assert!(matches!(t.resend(ada.id), Err(InvitationError::Closed)));
}

#[test]
fn a_resend_makes_the_earlier_delivery_obsolete() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::internal());
    t.work();
    t.resend(ada.id).unwrap();

    t.work_for(hours(1));

    assert_eq!(t.inbox("ada").len(), 1);
    let states: Vec<_> = t.jobs::<SendInvitation>().iter().map(|row| row.state).collect();
    assert_eq!(states, [JobState::Done, JobState::Done]);
    assert_eq!(t.again(&ada).attempts, 1, "counted since it was last asked for");
}

#[test]
fn a_late_failure_of_an_earlier_delivery_is_ignored() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::rejected("inactive_email"));
    let first = t.perform_next();
    t.resend(ada.id).unwrap();

    t.settle(&first).unwrap();

    let resent = t.again(&ada);
    assert_eq!((resent.status, &resent.last_error), (InvitationStatus::Queued, &None));
    assert_eq!(t.event_kinds(&ada), ["requested", "resent", "attempted"]);
}

#[test]
fn the_earlier_link_still_works_after_a_resend() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    let first = t.link("ada");
    t.resend(ada.id).unwrap();

    assert_eq!(t.redeem(&first).unwrap().user.id, ada.user_id);
    assert_eq!(t.again(&ada).status, InvitationStatus::Accepted);
}
