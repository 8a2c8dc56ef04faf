//! The mail of an invitation goes out: what Stytch is told, and what is written of it.

use guestlist_domain::flows::{NewInvitation, SendInvitation};
use guestlist_domain::{InvitationStatus, Job, JobId};

use crate::support::{Call, Going, House, JobState, MailKind, at, days, errors, mins, named, secs};

#[test]
fn an_invitation_is_sent_once_stytch_has_taken_it() {
    let t = House::new();
    let ada = t.invited("ada");
    t.wait(secs(3));

    t.work();

    let sent = t.again(&ada);
    assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 1));
    assert_eq!(sent.sent_at, Some(t.now()));
    assert_eq!((sent.next_attempt_at, sent.held_by), (None, None));
    assert_eq!(t.story(&ada), ["requested", "attempted", "sent"]);
    assert_eq!(t.mail_kinds("ada"), [MailKind::Invitation]);
    assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
}

#[test]
fn until_stytch_has_answered_an_invitation_is_not_sent() {
    let t = House::new();
    let ada = t.invited("ada");

    let in_flight = t.begin();

    assert_eq!(t.again(&ada).status, InvitationStatus::Queued);
    t.settle(&in_flight).unwrap();
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
}

#[test]
fn the_user_keeps_the_identity_that_stytch_names() {
    let t = House::new();
    t.sent("ada");

    let at_stytch = t.stytch.knows().users[0].id.clone();
    assert_eq!(t.expect_user("ada").provider_user_id, Some(at_stytch));
}

#[test]
fn the_attempt_tells_number_outcome_request_and_time() {
    let t = House::new();
    let ada = t.invited("ada");
    let clock = t.clock.clone();
    t.stytch.while_on_its_way(Call::SendInvite, move || clock.advance(secs(2)));

    t.work();

    let detail = t.timeline(&ada)[1].detail.clone();
    assert_eq!((&detail["number"], &detail["outcome"]), (&1.into(), &"ok".into()));
    assert_eq!(detail["duration_ms"], 2000);
    assert!(detail["request_id"].as_str().unwrap().starts_with("request-id"));
}

#[test]
fn stytch_is_told_where_the_link_leads() {
    let t = House::new();
    t.sent("ada");
    assert_eq!(t.inbox("ada")[0].redirect_url, "https://guests.example/authenticate");
}

#[test]
fn where_links_carry_the_id_stytch_is_told_that_too() {
    let t = House::under(|policy| policy.link_carries_id = true);
    let ada = t.sent("ada");
    let expected = format!("https://guests.example/authenticate?invitation={}", ada.id);
    assert_eq!(t.inbox("ada")[0].redirect_url, expected);
}

#[test]
fn stytch_is_given_the_minutes_that_are_left() {
    let t = House::new();
    t.invite_as(NewInvitation { expires_in_minutes: Some(90), ..House::asking("ada") }).unwrap();
    t.wait(mins(30) + secs(1));

    t.work();

    assert_eq!(t.inbox("ada")[0].minutes, 59);
}

#[test]
fn stytch_is_never_given_less_than_it_takes() {
    let t = House::new();
    t.invite_as(NewInvitation { expires_in_minutes: Some(10), ..House::asking("ada") }).unwrap();
    t.wait(mins(8));

    t.work();

    assert_eq!(t.inbox("ada")[0].minutes, 5);
}

#[test]
fn what_has_run_out_is_not_sent() {
    let t = House::new();
    let ada = t.invited("ada");
    t.wait(days(7));

    t.work();

    assert_eq!(t.stytch.was_asked(Call::SendInvite), 0);
    assert_eq!(t.story(&ada), ["requested"]);
    assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
}

#[test]
fn what_was_revoked_before_its_turn_is_not_sent() {
    let t = House::new();
    let ada = t.invited("ada");
    t.revoke(ada.id).unwrap();

    t.work();

    assert!(t.inbox("ada").is_empty());
}

#[test]
fn a_taken_address_gets_a_login_link_instead() {
    let t = House::new();
    let ada = t.invited("ada");
    t.stytch.refuses(Call::SendInvite, 1, &errors::address_taken());

    t.work_for(secs(2));

    let sent = t.again(&ada);
    assert_eq!((sent.status, sent.attempts, sent.as_login), (InvitationStatus::Sent, 2, true));
    assert_eq!(t.mail_kinds("ada"), [MailKind::Login]);
    assert_eq!(t.inbox("ada")[0].minutes, 10_079, "it lasts as long as the invitation");
    assert_eq!(t.story(&ada), ["requested", "attempted", "attempted", "sent"]);
    assert_eq!(t.press(&t.link("ada")).unwrap().user.id, ada.user_id);
}

#[test]
fn an_address_that_stytch_knows_gets_one_call_an_attempt_and_a_second_in_between() {
    let t = House::new();
    let ada = t.invited("ada");
    t.stytch.refuses(Call::SendInvite, 1, &errors::address_taken());

    t.work();

    assert_eq!(t.stytch.was_asked(Call::SendLogin), 0);
    let waiting = t.again(&ada);
    assert_eq!((waiting.status, waiting.as_login), (InvitationStatus::Queued, true));
    assert_eq!(waiting.last_error.unwrap().code, "duplicate_email");
    let job = t.job::<SendInvitation>();
    assert_eq!((job.state, Some(job.run_at)), (JobState::Retrying, waiting.next_attempt_at));
    let pause = job.run_at.duration_since(t.now()).unsigned_abs();
    assert!((secs(1)..=secs(1).mul_f64(1.2)).contains(&pause), "{pause:?}");
}

#[test]
fn what_was_sent_as_a_login_link_once_is_so_again() {
    let t = House::new();
    let ada = t.invited("ada");
    t.stytch.refuses(Call::SendInvite, 1, &errors::address_taken());
    t.work_for(secs(2));
    t.resend(ada.id).unwrap();

    t.work_for(secs(2));

    assert_eq!(t.mail_kinds("ada"), [MailKind::Login, MailKind::Login]);
    assert_eq!(t.again(&ada).attempts, 1);
}

#[test]
fn a_login_link_that_is_refused_too_is_not_tried_as_another() {
    let t = House::new();
    let ada = t.invited("ada");
    t.stytch.refuses(Call::SendInvite, 1, &errors::address_taken());
    t.stytch.refuses(Call::SendLogin, 1, &errors::address_taken());

    t.work_for(secs(9));

    let failed = t.again(&ada);
    assert_eq!((failed.status, failed.attempts), (InvitationStatus::Failed, 2));
}

#[test]
fn a_mail_that_went_out_late_is_not_sent_for_an_older_asking() {
    let t = House::new();
    let ada = t.invited("ada");
    let first = t.begin();
    t.resend(ada.id).unwrap();

    t.settle(&first).unwrap();

    let resent = t.again(&ada);
    assert_eq!((resent.status, resent.delivery), (InvitationStatus::Queued, 2));
    assert_eq!(t.story(&ada), ["requested", "resent", "attempted"]);
    t.work_for(secs(2));
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
}

#[test]
fn a_worker_whose_lease_ran_out_mails_nothing_and_costs_nothing() {
    let t = House::new();
    let ada = t.invited("ada");

    let asleep = t.perform(t.claim().unwrap(), Going::LeaseRanOut);
    t.settle(&asleep).unwrap();
    assert!(t.inbox("ada").is_empty());
    assert_eq!(t.job::<SendInvitation>().attempts, 0);

    t.work();
    assert_eq!(t.again(&ada).attempts, 1);
    assert_eq!(t.inbox("ada").len(), 1);
}

#[test]
fn a_worker_that_wakes_up_late_does_not_send_what_was_sent() {
    let t = House::new();
    let ada = t.invited("ada");
    let asleep = t.claim().unwrap();
    t.rescue();
    t.work();

    let woken = t.perform(asleep, Going::Well);
    t.settle(&woken).unwrap();

    assert_eq!(t.inbox("ada").len(), 1);
    assert_eq!(t.story(&ada), ["requested", "attempted", "doubtful", "attempted", "sent"]);
}

#[test]
fn a_late_workers_result_changes_nothing() {
    let t = House::new();
    let ada = t.invited("ada");
    t.stytch.refuses(Call::SendInvite, 1, &errors::rejected("inactive_email"));
    let late = t.begin();
    t.rescue();
    t.work();
    let sent = t.again(&ada);

    assert_eq!(t.settle(&late).unwrap(), guestlist_domain::Verdict::LeaseLost);

    assert_eq!(t.again(&ada), sent);
    assert_eq!(sent.status, InvitationStatus::Sent);
    assert_eq!(t.story(&ada), ["requested", "attempted", "doubtful", "attempted", "sent"]);
}

#[test]
fn an_invitation_whose_user_is_gone_is_nobodys() {
    let t = House::new();
    let ada = t.invited("ada");
    let in_flight = t.begin();
    t.remove(ada.user_id).unwrap();
    t.work();
    assert_eq!(t.user("ada"), None);

    t.settle(&in_flight).unwrap();

    assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
    assert!(t.invitations("ada").is_empty());
}

#[test]
fn a_job_names_ids_and_nothing_else() {
    let t = House::new();
    t.invite_as(NewInvitation { name: named("Ada"), ..House::asking("ada") }).unwrap();

    let job = t.job::<SendInvitation>().job;

    assert!(!job.args.to_string().to_lowercase().contains("ada"), "{}", job.args);
    assert!(SendInvitation::from_args(&job.args).is_some());
    assert!(
        SendInvitation::from_args(&serde_json::json!({ "invitation": JobId(job.id.0) })).is_none()
    );
    assert!(SendInvitation::from_args(&serde_json::json!({})).is_none());
}

#[test]
fn an_identity_that_is_somebody_elses_here_holds_up_nothing() {
    let t = House::new();
    t.came_in("ada");
    // At Stytch one person can have several addresses.
    t.stytch.knows().users[0].email = at("bob");

    t.invited("bob");
    t.work_for(secs(2));

    assert_eq!(t.mail_kinds("bob"), [MailKind::Login]);
    assert_eq!(t.expect_user("bob").provider_user_id, None);
}
