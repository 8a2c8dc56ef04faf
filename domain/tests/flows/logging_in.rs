//! Somebody asks for a login link: the worker finds out who it is and sends what fits.

use guestlist_domain::flows::{NewInvitation, SendInvitation, SendLoginLink};
use guestlist_domain::{InvitationStatus, Role};

use crate::support::{
    Call, Fault, Going, House, JobState, Link, MailKind, at, days, errors, hours, mins, place, secs,
};

/// The mails that an asking brings.
fn mails_upon_asking(t: &House, who: &str) -> Vec<MailKind> {
    let before = t.inbox(who).len();
    t.log_in(who).unwrap();
    t.work_for(secs(2));
    t.mail_kinds(who).split_off(before)
}

#[test]
fn somebody_active_gets_a_login_link() {
    let t = House::new();
    t.came_in("ada");
    t.add("bob", Role::Member).unwrap();

    for who in ["ada", "bob"] {
        assert_eq!(mails_upon_asking(&t, who), [MailKind::Login]);
        assert_eq!(t.inbox(who).last().unwrap().minutes, 60);
        assert!(t.press(&t.link(who)).is_ok());
    }
}

#[test]
fn somebody_whose_invitation_was_sent_or_lapsed_gets_it_again() {
    let t = House::new();
    let sent = t.sent("ada");
    assert_eq!(mails_upon_asking(&t, "ada"), [MailKind::Invitation]);
    assert_eq!(t.story(&sent)[3..], ["resent", "attempted", "sent"]);
    assert!(t.press(&t.link("ada")).is_ok());

    for end in [InvitationStatus::Expired, InvitationStatus::Failed] {
        let t = House::new();
        let lapsed = t.ended("ada", end);
        assert_eq!(mails_upon_asking(&t, "ada"), [MailKind::Invitation], "after {end}");
        assert_eq!(t.again(&lapsed).status, InvitationStatus::Sent);
        assert!(t.press(&t.link("ada")).is_ok(), "after {end}");
    }
}

#[test]
fn an_invitation_that_is_on_its_way_is_not_sent_twice() {
    let t = House::new();
    let ada = t.invited("ada");
    t.stytch.refuses(Call::SendInvite, 1, &errors::internal());
    t.log_in("ada").unwrap();

    t.work_for(mins(1));

    assert_eq!(t.inbox("ada").len(), 1);
    assert_eq!(t.story(&ada), ["requested", "attempted", "attempted", "sent"]);
}

#[test]
fn whoever_was_revoked_or_suspended_or_is_unknown_gets_nothing() {
    let t = House::new();
    t.ended("revoked", InvitationStatus::Revoked);
    t.came_in("suspended");
    t.suspend("suspended");

    for who in ["revoked", "suspended", "unknown"] {
        assert_eq!(mails_upon_asking(&t, who), [], "{who}");
        assert_eq!(t.job::<SendLoginLink>().state, JobState::Done);
    }
    assert_eq!(t.user("unknown"), None);
}

#[test]
fn whoever_is_on_the_way_out_gets_nothing() {
    let t = House::new();
    let ada = t.came_in("ada").user;
    t.stytch.refuses(Call::DeleteUser, 1, &errors::internal());
    t.remove(ada.id).unwrap();
    t.work();

    assert_eq!(mails_upon_asking(&t, "ada"), []);
}

#[test]
fn an_administrator_by_configuration_gets_a_link_while_never_known() {
    let t = House::under(|policy| policy.admin_emails = ["new", "inv", "susp"].map(at).to_vec());
    t.ended("inv", InvitationStatus::Revoked);
    t.add("susp", Role::Admin).unwrap();
    t.admin("other");
    t.suspend("susp");

    assert_eq!(mails_upon_asking(&t, "new"), [MailKind::Login]);
    assert_eq!(mails_upon_asking(&t, "inv"), [], "known, and the invitation was revoked");
    assert_eq!(mails_upon_asking(&t, "susp"), []);
}

#[test]
fn every_address_leaves_the_same_trace() {
    let t = House::new();
    t.came_in("known");
    for who in ["known", "unknown"] {
        let jobs = t.store.tables().jobs.len();
        t.log_in(who).unwrap();
        let tables = t.store.tables();
        assert_eq!(tables.jobs.len(), jobs + 1);
        let newest = tables.jobs.values().last().unwrap();
        assert_eq!(newest.job.kind, "send-login");
        assert!(!newest.job.args.to_string().contains("known"));
    }
}

#[test]
fn an_invitation_sent_again_leads_where_the_person_wants_to_go_now() {
    let t = House::new();
    let then = NewInvitation { return_to: Some(place("/then")), ..House::asking("ada") };
    t.invite_as(then).unwrap();
    t.work();
    t.log_in_towards("ada", place("/now")).unwrap();
    t.work();
    assert_eq!(t.press(&t.link("ada")).unwrap().return_to, Some(place("/now")));
}

#[test]
fn a_login_link_is_tried_again_until_nobody_waits_for_it() {
    let t = House::new();
    t.came_in("ada");
    t.stytch.is_down(errors::unreachable());
    t.log_in("ada").unwrap();
    t.work_for(mins(30));
    assert_eq!(t.job::<SendLoginLink>().state, JobState::Retrying);
    let tries = t.stytch.was_asked(Call::SendLogin);
    assert!(tries > 5, "{tries}");

    t.work_for(mins(31));
    t.stytch.heals();
    t.work_for(hours(1));

    assert_eq!(t.mail_kinds("ada"), [MailKind::Invitation]);
    assert_eq!(t.job::<SendLoginLink>().state, JobState::Done);
}

#[test]
fn a_login_link_survives_500_429_and_a_lost_answer() {
    let t = House::new();
    t.came_in("ada");
    t.stytch.refuses(Call::SendLogin, 1, &errors::internal());
    t.stytch.refuses(Call::SendLogin, 1, &errors::rate_limited(Some(secs(5))));
    t.stytch.next(Call::SendLogin, Fault::CallLost);
    t.log_in("ada").unwrap();

    t.work_for(mins(2));

    assert_eq!(t.mail_kinds("ada"), [MailKind::Invitation, MailKind::Login]);
    assert_eq!(t.link_state("ada"), Link::Outstanding);
    assert_eq!(t.job::<SendLoginLink>().attempts, 3, "the 429 is not counted");
}

#[test]
fn a_login_job_that_broke_or_was_left_is_done_again() {
    let t = House::new();
    t.came_in("ada");
    t.log_in("ada").unwrap();
    let broken = t.perform(t.claim().unwrap(), Going::Breaks);
    t.settle(&broken).unwrap();
    t.wait(secs(3));
    t.stytch.next(Call::SendLogin, Fault::CallLost);
    let _dies = t.begin();
    t.rescue();

    t.work();

    assert_eq!(t.mail_kinds("ada"), [MailKind::Invitation, MailKind::Login]);
}

#[test]
fn an_asking_that_twenty_workers_died_of_is_dead() {
    let t = House::new();
    t.came_in("ada");
    t.log_in("ada").unwrap();
    for _ in 0..20 {
        t.stytch.next(Call::SendLogin, Fault::CallLost);
        let _dies = t.begin();
        t.rescue();
    }
    t.work();
    assert_eq!(t.job::<SendLoginLink>().state, JobState::Dead);
    assert_eq!(t.job::<SendLoginLink>().last_error.unwrap().code, "attempts_exhausted");
}

#[test]
fn logins_go_before_invitations() {
    let t = House::new();
    t.came_in("ada");
    t.invited("bob");
    t.wait(secs(1));
    t.log_in("ada").unwrap();

    t.step();

    assert_eq!(t.mail_kinds("ada"), [MailKind::Invitation, MailKind::Login]);
    assert!(t.inbox("bob").is_empty());
    assert_eq!(t.jobs::<SendInvitation>().len(), 2);
}

#[test]
fn a_login_link_goes_out_though_its_worker_overslept() {
    let t = House::new();
    t.came_in("ada");
    t.log_in("ada").unwrap();
    let asleep = t.perform(t.claim().unwrap(), Going::LeaseRanOut);
    t.settle(&asleep).unwrap();
    assert_eq!(t.mail_kinds("ada"), [MailKind::Invitation]);

    t.work();

    assert_eq!(t.mail_kinds("ada"), [MailKind::Invitation, MailKind::Login]);
    assert_eq!(t.job::<SendLoginLink>().attempts, 1);
}

#[test]
fn an_invitation_that_lapsed_before_it_was_sent_is_sent_before_any_sweep() {
    let t = House::new();
    t.invited("ada");
    t.wait(days(7));
    assert_eq!(mails_upon_asking(&t, "ada"), [MailKind::Invitation]);
}

#[test]
fn of_two_askings_at_once_one_sends_the_invitation_again() {
    let t = House::new();
    let ada = t.sent("ada");
    t.log_in("ada").unwrap();
    t.log_in("ada").unwrap();
    let first = t.begin();
    t.wait(secs(1));
    let second = t.begin();
    t.settle(&first).unwrap();
    t.wait(secs(1));
    let sending = t.begin();
    t.settle(&second).unwrap();
    t.settle(&sending).unwrap();

    t.work();

    assert_eq!(t.inbox("ada").len(), 2);
    assert_eq!(t.story(&ada)[3..], ["resent", "attempted", "sent"]);
}
