//! Answering a login request: a login link, an invitation, or nothing.

use guestlist_domain::flows::NewInvitation;
use guestlist_domain::jobs::{SendInvitation, SendLoginLink};
use guestlist_domain::{InvitationStatus, Role};

use crate::support::{
    Call, Fault, Interruption, JobState, Link, MailKind, Simulation, at, days, errors, hours, mins,
    place, secs,
};

/// Returns the mails that a login request causes.
fn mails_upon_asking(t: &Simulation, name: &str) -> Vec<MailKind> {
    let before = t.inbox(name).len();
    t.log_in(name).unwrap();
    t.work_for(secs(2));
    t.mail_kinds(name).split_off(before)
}

#[test]
fn an_active_user_gets_a_login_link() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.add("bob", Role::Member).unwrap();

    for name in ["ada", "bob"] {
        assert_eq!(mails_upon_asking(&t, name), [MailKind::Login]);
        assert_eq!(t.inbox(name).last().unwrap().minutes, 60);
        assert!(t.redeem(&t.link(name)).is_ok());
    }
}

#[test]
fn a_sent_or_expired_invitation_is_resent_on_request() {
    let t = Simulation::new();
    let sent = t.sent("ada");
    assert_eq!(mails_upon_asking(&t, "ada"), [MailKind::Invitation]);
    assert_eq!(t.event_kinds(&sent)[3..], ["resent", "attempted", "sent"]);
    assert!(t.redeem(&t.link("ada")).is_ok());

    for end in [InvitationStatus::Expired, InvitationStatus::Failed] {
        let t = Simulation::new();
        let lapsed = t.ended("ada", end);
        assert_eq!(mails_upon_asking(&t, "ada"), [MailKind::Invitation], "after {end}");
        assert_eq!(t.again(&lapsed).status, InvitationStatus::Sent);
        assert!(t.redeem(&t.link("ada")).is_ok(), "after {end}");
    }
}

#[test]
fn a_queued_invitation_is_not_resent_on_request() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::internal());
    t.log_in("ada").unwrap();

    t.work_for(mins(1));

    assert_eq!(t.inbox("ada").len(), 1);
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "attempted", "sent"]);
}

#[test]
fn revoked_suspended_and_unknown_addresses_get_no_mail() {
    let t = Simulation::new();
    t.ended("revoked", InvitationStatus::Revoked);
    t.logged_in("suspended");
    t.suspend("suspended");

    for name in ["revoked", "suspended", "unknown"] {
        assert_eq!(mails_upon_asking(&t, name), [], "{name}");
        assert_eq!(t.job::<SendLoginLink>().state, JobState::Done);
    }
    assert_eq!(t.user("unknown"), None);
}

#[test]
fn a_deleting_user_gets_no_mail() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.provider.refuses(Call::DeleteUser, 1, &errors::internal());
    t.remove(ada.id).unwrap();
    t.work();

    assert_eq!(mails_upon_asking(&t, "ada"), []);
}

#[test]
fn an_unknown_configured_administrator_gets_a_login_link() {
    let t = Simulation::with_policy(|policy| {
        policy.admin_emails = ["new", "inv", "susp"].map(at).to_vec();
    });
    t.ended("inv", InvitationStatus::Revoked);
    t.add("susp", Role::Admin).unwrap();
    t.admin("other");
    t.suspend("susp");

    assert_eq!(mails_upon_asking(&t, "new"), [MailKind::Login]);
    assert_eq!(mails_upon_asking(&t, "inv"), [], "known, and the invitation was revoked");
    assert_eq!(mails_upon_asking(&t, "susp"), []);
}

#[test]
fn known_and_unknown_addresses_leave_the_same_rows() {
    let t = Simulation::new();
    t.logged_in("known");
    for name in ["known", "unknown"] {
        let jobs = t.store.tables().jobs.len();
        t.log_in(name).unwrap();
        let tables = t.store.tables();
        assert_eq!(tables.jobs.len(), jobs + 1);
        let newest = tables.jobs.values().last().unwrap();
        assert_eq!(newest.job.kind, "send-login");
        assert!(!newest.job.args.to_string().contains("known"));
    }
}

#[test]
fn a_resent_invitation_returns_to_the_requested_target() {
    let t = Simulation::new();
    let then =
        NewInvitation { return_to: Some(place("/then")), ..Simulation::invitation_of("ada") };
    t.invite_as(then).unwrap();
    t.work();
    t.log_in_to("ada", place("/now")).unwrap();
    t.work();
    assert_eq!(t.redeem(&t.link("ada")).unwrap().return_to, Some(place("/now")));
}

#[test]
fn a_login_link_is_retried_until_it_would_have_expired() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.provider.fail_all(errors::unreachable());
    t.log_in("ada").unwrap();
    t.work_for(mins(30));
    assert_eq!(t.job::<SendLoginLink>().state, JobState::Retrying);
    let tries = t.provider.call_count(Call::SendLogin);
    assert!(tries > 5, "{tries}");

    t.work_for(mins(31));
    t.provider.recover();
    t.work_for(hours(1));

    assert_eq!(t.mail_kinds("ada"), [MailKind::Invitation]);
    assert_eq!(t.job::<SendLoginLink>().state, JobState::Done);
}

#[test]
fn a_login_link_survives_500_429_and_a_lost_answer() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.provider.refuses(Call::SendLogin, 1, &errors::internal());
    t.provider.refuses(Call::SendLogin, 1, &errors::rate_limited(Some(secs(5))));
    t.provider.next(Call::SendLogin, Fault::CallLost);
    t.log_in("ada").unwrap();

    t.work_for(mins(2));

    assert_eq!(t.mail_kinds("ada"), [MailKind::Invitation, MailKind::Login]);
    assert_eq!(t.link_state("ada"), Link::Outstanding);
    assert_eq!(t.job::<SendLoginLink>().attempts, 3, "the 429 is not counted");
}

#[test]
fn a_crashed_or_abandoned_login_job_is_retried() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.log_in("ada").unwrap();
    let broken = t.perform(t.claim().unwrap(), Interruption::Breaks);
    t.settle(&broken).unwrap();
    t.wait(secs(3));
    t.provider.next(Call::SendLogin, Fault::CallLost);
    let _dies = t.perform_next();
    t.rescue();

    t.work();

    assert_eq!(t.mail_kinds("ada"), [MailKind::Invitation, MailKind::Login]);
}

#[test]
fn a_login_job_lost_twenty_times_is_dead() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.log_in("ada").unwrap();
    for _ in 0..20 {
        t.provider.next(Call::SendLogin, Fault::CallLost);
        let _dies = t.perform_next();
        t.rescue();
    }
    t.work();
    assert_eq!(t.job::<SendLoginLink>().state, JobState::Dead);
    assert_eq!(t.job::<SendLoginLink>().last_error.unwrap().code, "attempts_exhausted");
}

#[test]
fn logins_precede_invitations() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.invited("bob");
    t.wait(secs(1));
    t.log_in("ada").unwrap();

    t.step();

    assert_eq!(t.mail_kinds("ada"), [MailKind::Invitation, MailKind::Login]);
    assert!(t.inbox("bob").is_empty());
    assert_eq!(t.jobs::<SendInvitation>().len(), 2);
}

#[test]
fn a_login_link_is_sent_after_its_worker_lost_the_lease() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.log_in("ada").unwrap();
    let asleep = t.perform(t.claim().unwrap(), Interruption::LeaseRanOut);
    t.settle(&asleep).unwrap();
    assert_eq!(t.mail_kinds("ada"), [MailKind::Invitation]);

    t.work();

    assert_eq!(t.mail_kinds("ada"), [MailKind::Invitation, MailKind::Login]);
    assert_eq!(t.job::<SendLoginLink>().attempts, 1);
}

#[test]
fn an_invitation_that_expired_unsent_is_resent_before_the_sweep() {
    let t = Simulation::new();
    t.invited("ada");
    t.wait(days(7));
    assert_eq!(mails_upon_asking(&t, "ada"), [MailKind::Invitation]);
}

#[test]
fn of_two_concurrent_requests_one_resends_the_invitation() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.log_in("ada").unwrap();
    t.log_in("ada").unwrap();
    let first = t.perform_next();
    t.wait(secs(1));
    let second = t.perform_next();
    t.settle(&first).unwrap();
    t.wait(secs(1));
    let sending = t.perform_next();
    t.settle(&second).unwrap();
    t.settle(&sending).unwrap();

    t.work();

    assert_eq!(t.inbox("ada").len(), 2);
    assert_eq!(t.event_kinds(&ada)[3..], ["resent", "attempted", "sent"]);
}
