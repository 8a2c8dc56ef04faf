//! Mails to one address are at least one second apart.

use std::time::Duration;

use guestlist_domain::jobs::{SendInvitation, SendLoginLink};
use guestlist_domain::{InvitationStatus, Role};
use jiff::Timestamp;

use crate::support::{Call, Simulation, errors, hours, mins, secs};

/// Returns when an address got mail, relative to now.
fn arrivals(t: &Simulation, name: &str, since: Timestamp) -> Vec<Duration> {
    let mails = t.inbox(name).into_iter().filter(|mail| mail.sent_at >= since);
    mails.map(|mail| mail.sent_at.duration_since(since).unsigned_abs()).collect()
}

#[test]
fn five_concurrent_login_requests_are_mailed_one_second_apart() {
    let t = Simulation::new();
    t.add("ada", Role::Member).unwrap();
    t.add("bob", Role::Member).unwrap();
    let start = t.now();
    (0..5).for_each(|_| t.log_in("ada").unwrap());
    t.log_in("bob").unwrap();

    t.work_for(mins(1));

    assert_eq!(arrivals(&t, "ada", start), [0, 1, 2, 3, 4].map(secs));
    assert_eq!(arrivals(&t, "bob", start), [secs(0)], "others do not wait for her");
}

#[test]
fn a_login_request_a_second_later_is_not_delayed() {
    let t = Simulation::new();
    t.log_in("ada").unwrap();
    let start = t.now();
    t.wait(secs(5));
    t.log_in("ada").unwrap();
    t.wait(Duration::from_millis(400));
    t.log_in("ada").unwrap();

    let due: Vec<_> = t.jobs::<SendLoginLink>().iter().map(|row| row.job.run_at).collect();

    assert_eq!(due, [start, start + secs(5), start + secs(6)]);
    let request = t.store.tables().login_requests.clone();
    assert_eq!(request.iter().map(|request| request.send_at).collect::<Vec<_>>(), due);
}

#[test]
fn unknown_addresses_leave_the_same_spaced_rows() {
    let t = Simulation::new();
    t.logged_in("known");
    for name in ["known", "unknown"] {
        let before = t.jobs::<SendLoginLink>().len();
        (0..3).for_each(|_| t.log_in(name).unwrap());
        let jobs = t.jobs::<SendLoginLink>().split_off(before);
        let due: Vec<_> = jobs.iter().map(|row| row.run_at).collect();
        assert_eq!(due, [0, 1, 2].map(|n| t.now() + secs(n)), "{name}");
    }
}

#[test]
fn a_resend_right_after_sending_is_delayed_by_a_second() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.wait(Duration::from_millis(300));

    let resent = t.resend(ada.id).unwrap();

    let due = ada.sent_at.unwrap() + secs(1);
    assert_eq!(resent.next_attempt_at, Some(due));
    assert_eq!(t.job::<SendInvitation>().run_at, due);
    t.work_for(secs(5));
    assert_eq!(arrivals(&t, "ada", ada.sent_at.unwrap()), [secs(0), secs(1)]);
}

#[test]
fn a_resend_during_sending_is_delayed_by_a_second() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let start = t.now();
    let in_flight = t.perform_next();

    t.resend(ada.id).unwrap();
    t.settle(&in_flight).unwrap();
    t.work_for(secs(5));

    assert_eq!(arrivals(&t, "ada", start), [secs(0), secs(1)]);
}

#[test]
fn a_later_resend_is_not_delayed() {
    for end in [InvitationStatus::Sent, InvitationStatus::Failed, InvitationStatus::Expired] {
        let t = Simulation::new();
        let ada = if end == InvitationStatus::Sent { t.sent("ada") } else { t.ended("ada", end) };
        t.wait(secs(1));
        assert_eq!(t.resend(ada.id).unwrap().next_attempt_at, Some(t.now()), "{end}");
    }
}

#[test]
fn a_resend_right_after_a_failure_is_delayed_by_a_second() {
    let t = Simulation::new();
    let ada = t.ended("ada", InvitationStatus::Failed);
    let failed_at = ada.last_error.unwrap().at;
    t.wait(Duration::from_millis(999));
    assert_eq!(t.resend(ada.id).unwrap().next_attempt_at, Some(failed_at + secs(1)));
}

#[test]
fn a_new_invitation_right_after_a_revocation_is_delayed_by_a_second() {
    let t = Simulation::new();
    let old = t.sent("ada");
    t.revoke(old.id).unwrap();

    let new = t.invited("ada");

    let due = old.sent_at.unwrap() + secs(1);
    assert_eq!((new.next_attempt_at, t.job::<SendInvitation>().run_at), (Some(due), due));
    t.work_for(secs(5));
    assert_eq!(arrivals(&t, "ada", old.sent_at.unwrap()), [secs(0), secs(1)]);
    assert!(t.redeem(&t.link("ada")).is_ok());
}

#[test]
fn a_new_invitation_while_a_revoked_mail_may_be_in_flight_is_delayed() {
    let t = Simulation::new();
    let old = t.invited("ada");
    let start = t.now();
    let in_flight = t.perform_next();
    t.revoke(old.id).unwrap();

    t.invited("ada");
    t.settle(&in_flight).unwrap();
    t.work_for(secs(5));

    assert_eq!(arrivals(&t, "ada", start), [secs(0), secs(1)]);
}

#[test]
fn a_later_new_invitation_is_not_delayed() {
    for end in [InvitationStatus::Failed, InvitationStatus::Expired] {
        let t = Simulation::new();
        t.ended("ada", end);
        t.wait(secs(1));
        assert_eq!(t.invited("ada").next_attempt_at, Some(t.now()), "{end}");
    }
    let t = Simulation::new();
    let sent = t.sent("ada");
    t.wait(secs(1));
    t.revoke(sent.id).unwrap();
    assert_eq!(t.invited("ada").next_attempt_at, Some(t.now()));
}

#[test]
fn an_invitation_resent_on_login_request_is_spaced_too() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.log_in("ada").unwrap();
    t.log_in("ada").unwrap();

    t.work_for(hours(1));

    let arrived = arrivals(&t, "ada", ada.sent_at.unwrap());
    assert!(arrived.windows(2).all(|two| two[0] + secs(1) <= two[1]), "{arrived:?}");
    assert!(arrived.len() > 1);
}

#[test]
fn a_delivery_retried_right_after_a_failure_is_delayed_by_a_second() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::rejected("inactive_email"));
    t.work();
    let failed_at = t.now();

    t.retry(t.job::<SendInvitation>().job.id).unwrap();

    let renewed = t.again(&ada);
    assert_eq!(renewed.next_attempt_at, Some(failed_at + secs(1)));
    assert_eq!(t.job::<SendInvitation>().run_at, failed_at + secs(1));
    t.work_for(secs(5));
    assert_eq!(arrivals(&t, "ada", failed_at), [secs(1)]);
}
