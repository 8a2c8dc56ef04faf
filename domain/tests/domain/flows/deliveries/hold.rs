//! Holds, which cost no attempt.

use guestlist_domain::jobs::SendInvitation;
use guestlist_domain::{HeldBy, InvitationStatus};

use crate::support::{Call, JobState, Simulation, errors, hours, mins, secs};

#[test]
fn a_429_costs_no_attempt() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::rate_limited(None));

    t.work();

    let held = t.again(&ada);
    assert_eq!((held.status, held.attempts), (InvitationStatus::Queued, 0));
    assert_eq!((held.held_by, &held.last_error), (Some(HeldBy::RateLimit), &None));
    assert_eq!(held.next_attempt_at, Some(t.job::<SendInvitation>().run_at));
    assert_eq!(t.event_kinds(&ada), ["requested", "held"]);
    t.work_for(secs(3));
    let sent = t.again(&ada);
    assert_eq!((sent.status, sent.attempts, sent.held_by), (InvitationStatus::Sent, 1, None));
    assert_eq!(t.event_kinds(&ada), ["requested", "held", "attempted", "sent"]);
}

#[test]
fn a_429_without_retry_after_holds_for_more_than_one_window() {
    let t = Simulation::new();
    t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::rate_limited(None));
    t.work();

    let pause = t.job::<SendInvitation>().run_at.duration_since(t.now()).unsigned_abs();
    assert!(pause > secs(1) && pause <= secs(3), "{pause:?}");
}

#[test]
fn a_429_holds_for_its_retry_after() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::rate_limited(Some(secs(60))));
    t.work();

    t.work_for(secs(59));
    assert_eq!(t.provider.call_count(Call::SendInvite), 1);
    t.work_for(secs(32));
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
}

#[test]
fn a_bulk_mail_limit_holds_for_minutes() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::bulk_mail_limited(Some(secs(1))));
    t.work();
    let held = t.again(&ada);
    assert_eq!((held.held_by, held.attempts), (Some(HeldBy::RateLimit), 0));
    let pause = held.next_attempt_at.unwrap().duration_since(t.now()).unsigned_abs();
    assert!((mins(5)..=mins(8)).contains(&pause), "{pause:?}");
}

#[test]
fn any_number_of_429s_fails_no_invitation() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 50, &errors::rate_limited(None));

    t.work_for(mins(5));

    let sent = t.again(&ada);
    assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 1));
    assert_eq!(
        t.event_kinds(&ada),
        ["requested", "held", "attempted", "sent"],
        "one hold, noted once"
    );
}

#[test]
fn a_wrong_secret_holds_without_costing_an_attempt() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.fail_all(errors::misconfigured());

    t.work_for(hours(5));

    let held = t.again(&ada);
    assert_eq!((held.status, held.attempts), (InvitationStatus::Queued, 0));
    assert_eq!(held.held_by, Some(HeldBy::Misconfigured));
    assert_eq!(t.timeline(&ada)[1].detail["code"], "unauthorized_credentials");

    t.provider.recover();
    t.work_for(secs(31));
    let sent = t.again(&ada);
    assert_eq!((sent.status, sent.attempts, sent.held_by), (InvitationStatus::Sent, 1, None));
}

#[test]
fn a_hold_with_a_new_reason_is_recorded() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::rate_limited(None));
    t.provider.refuses(Call::SendInvite, 2, &errors::misconfigured());

    t.work_for(mins(2));

    assert_eq!(t.event_kinds(&ada), ["requested", "held", "held", "attempted", "sent"]);
    let reasons: Vec<_> = t.timeline(&ada)[1..3].iter().map(|e| e.detail["by"].clone()).collect();
    assert_eq!(reasons, ["rate_limit", "misconfigured"]);
}

#[test]
fn a_failure_after_a_hold_counts_as_an_attempt() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::rate_limited(None));
    t.provider.refuses(Call::SendInvite, 1, &errors::internal());

    t.work();
    t.work_for(secs(3));
    let waiting = t.again(&ada);
    assert_eq!((waiting.attempts, waiting.held_by), (1, None));

    t.work_for(secs(3));
    let sent = t.again(&ada);
    assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 2));
}

#[test]
fn a_revoked_invitation_is_not_held() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::rate_limited(None));
    let in_flight = t.perform_next();
    t.revoke(ada.id).unwrap();

    t.settle(&in_flight).unwrap();
    t.work_for(mins(1));

    assert_eq!(t.event_kinds(&ada), ["requested", "revoked"]);
    assert_eq!(t.again(&ada).held_by, None);
    assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
    assert!(t.inbox("ada").is_empty());
}
