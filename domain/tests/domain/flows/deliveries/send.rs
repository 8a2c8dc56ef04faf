//! Sending: what the provider receives, and what is recorded.

use guestlist_domain::flows::NewInvitation;
use guestlist_domain::jobs::SendInvitation;
use guestlist_domain::{InvitationStatus, Job, JobId};

use crate::support::{
    Call, Interruption, JobState, MailKind, Simulation, at, days, errors, mins, named, secs,
};

#[test]
fn an_invitation_is_sent_once_the_provider_accepted_it() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.wait(secs(3));

    t.work();

    let sent = t.again(&ada);
    assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 1));
    assert_eq!(sent.sent_at, Some(t.now()));
    assert_eq!((sent.next_attempt_at, sent.held_by), (None, None));
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "sent"]);
    assert_eq!(t.mail_kinds("ada"), [MailKind::Invitation]);
    assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
}

#[test]
fn an_invitation_is_not_sent_before_the_provider_answered() {
    let t = Simulation::new();
    let ada = t.invited("ada");

    let in_flight = t.perform_next();

    assert_eq!(t.again(&ada).status, InvitationStatus::Queued);
    t.settle(&in_flight).unwrap();
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
}

#[test]
fn the_identity_of_a_sent_mail_is_linked() {
    let t = Simulation::new();
    t.sent("ada");

    let at_stytch = t.provider.state().users[0].id.clone();
    assert_eq!(t.expect_user("ada").provider_user_id, Some(at_stytch));
}

#[test]
fn an_attempts_event_contains_number_outcome_request_and_time() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let clock = t.clock.clone();
    t.provider.before_effect(Call::SendInvite, move || clock.advance(secs(2)));

    t.work();

    let detail = t.timeline(&ada)[1].detail.clone();
    assert_eq!((&detail["number"], &detail["outcome"]), (&1.into(), &"ok".into()));
    assert_eq!(detail["duration_ms"], 2000);
    assert!(detail["request_id"].as_str().unwrap().starts_with("request-id"));
}

#[test]
fn the_mail_contains_the_redirect_url() {
    let t = Simulation::new();
    t.sent("ada");
    assert_eq!(t.inbox("ada")[0].redirect_url, "https://guests.example/authenticate");
}

#[test]
fn the_redirect_url_contains_the_id_if_configured() {
    let t = Simulation::with_policy(|policy| policy.link_carries_id = true);
    let ada = t.sent("ada");
    let expected = format!("https://guests.example/authenticate?invitation={}", ada.id);
    assert_eq!(t.inbox("ada")[0].redirect_url, expected);
}

#[test]
fn the_link_expires_with_the_invitation() {
    let t = Simulation::new();
    t.invite_as(NewInvitation { expires_in_minutes: Some(90), ..Simulation::invitation_of("ada") })
        .unwrap();
    t.wait(mins(30) + secs(1));

    t.work();

    assert_eq!(t.inbox("ada")[0].minutes, 59);
}

#[test]
fn the_links_lifetime_is_at_least_the_minimum() {
    let t = Simulation::new();
    t.invite_as(NewInvitation { expires_in_minutes: Some(10), ..Simulation::invitation_of("ada") })
        .unwrap();
    t.wait(mins(8));

    t.work();

    assert_eq!(t.inbox("ada")[0].minutes, 5);
}

#[test]
fn an_expired_invitation_is_not_sent() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.wait(days(7));

    t.work();

    assert_eq!(t.provider.call_count(Call::SendInvite), 0);
    assert_eq!(t.event_kinds(&ada), ["requested"]);
    assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
}

#[test]
fn a_revoked_invitation_is_not_sent() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.revoke(ada.id).unwrap();

    t.work();

    assert!(t.inbox("ada").is_empty());
}

#[test]
fn a_taken_address_gets_a_login_link_instead() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::address_taken());

    t.work_for(secs(2));

    let sent = t.again(&ada);
    assert_eq!((sent.status, sent.attempts, sent.as_login), (InvitationStatus::Sent, 2, true));
    assert_eq!(t.mail_kinds("ada"), [MailKind::Login]);
    assert_eq!(t.inbox("ada")[0].minutes, 10_079, "it lasts as long as the invitation");
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "attempted", "sent"]);
    assert_eq!(t.redeem(&t.link("ada")).unwrap().user.id, ada.user_id);
}

#[test]
fn a_taken_address_gets_one_call_per_attempt_one_second_apart() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::address_taken());

    t.work();

    assert_eq!(t.provider.call_count(Call::SendLogin), 0);
    let waiting = t.again(&ada);
    assert_eq!((waiting.status, waiting.as_login), (InvitationStatus::Queued, true));
    assert_eq!(waiting.last_error.unwrap().code, "duplicate_email");
    let job = t.job::<SendInvitation>();
    assert_eq!((job.state, Some(job.run_at)), (JobState::Retrying, waiting.next_attempt_at));
    let pause = job.run_at.duration_since(t.now()).unsigned_abs();
    assert!((secs(1)..=secs(1).mul_f64(1.2)).contains(&pause), "{pause:?}");
}

#[test]
fn a_resend_of_a_login_link_is_a_login_link() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::address_taken());
    t.work_for(secs(2));
    t.resend(ada.id).unwrap();

    t.work_for(secs(2));

    assert_eq!(t.mail_kinds("ada"), [MailKind::Login, MailKind::Login]);
    assert_eq!(t.again(&ada).attempts, 1);
}

#[test]
fn a_rejected_login_link_is_not_converted_again() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::address_taken());
    t.provider.refuses(Call::SendLogin, 1, &errors::address_taken());

    t.work_for(secs(9));

    let failed = t.again(&ada);
    assert_eq!((failed.status, failed.attempts), (InvitationStatus::Failed, 2));
}

#[test]
fn a_late_result_of_an_earlier_delivery_does_not_mark_the_invitation_sent() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let first = t.perform_next();
    t.resend(ada.id).unwrap();

    t.settle(&first).unwrap();

    let resent = t.again(&ada);
    assert_eq!((resent.status, resent.delivery), (InvitationStatus::Queued, 2));
    assert_eq!(t.event_kinds(&ada), ["requested", "resent", "attempted"]);
    t.work_for(secs(2));
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
}

#[test]
fn a_worker_that_lost_its_lease_sends_nothing_and_costs_no_attempt() {
    let t = Simulation::new();
    let ada = t.invited("ada");

    let asleep = t.perform(t.claim().unwrap(), Interruption::LeaseRanOut);
    t.settle(&asleep).unwrap();
    assert!(t.inbox("ada").is_empty());
    assert_eq!(t.job::<SendInvitation>().attempts, 0);

    t.work();
    assert_eq!(t.again(&ada).attempts, 1);
    assert_eq!(t.inbox("ada").len(), 1);
}

#[test]
fn a_late_worker_does_not_send_again() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let asleep = t.claim().unwrap();
    t.rescue();
    t.work();

    let woken = t.perform(asleep, Interruption::None);
    t.settle(&woken).unwrap();

    assert_eq!(t.inbox("ada").len(), 1);
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "doubtful", "attempted", "sent"]);
}

#[test]
fn a_late_workers_result_is_dropped() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::rejected("inactive_email"));
    let late = t.perform_next();
    t.rescue();
    t.work();
    let sent = t.again(&ada);

    assert_eq!(t.settle(&late).unwrap(), guestlist_domain::Verdict::LeaseLost);

    assert_eq!(t.again(&ada), sent);
    assert_eq!(sent.status, InvitationStatus::Sent);
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "doubtful", "attempted", "sent"]);
}

#[test]
fn the_delivery_of_a_removed_user_does_nothing() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let in_flight = t.perform_next();
    t.remove(ada.user_id).unwrap();
    t.work();
    assert_eq!(t.user("ada"), None);

    t.settle(&in_flight).unwrap();

    assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
    assert!(t.invitations("ada").is_empty());
}

#[test]
fn job_arguments_contain_ids_only() {
    let t = Simulation::new();
    t.invite_as(NewInvitation { name: named("Ada"), ..Simulation::invitation_of("ada") }).unwrap();

    let job = t.job::<SendInvitation>().job;

    assert!(!job.args.to_string().to_lowercase().contains("ada"), "{}", job.args);
    assert!(SendInvitation::from_args(&job.args).is_some());
    assert!(
        SendInvitation::from_args(&serde_json::json!({ "invitation": JobId(job.id.0) })).is_none()
    );
    assert!(SendInvitation::from_args(&serde_json::json!({})).is_none());
}

#[test]
fn an_identity_linked_to_another_user_does_not_block_the_delivery() {
    let t = Simulation::new();
    t.logged_in("ada");
    // An identity can have several addresses.
    t.provider.state().users[0].email = at("bob");

    t.invited("bob");
    t.work_for(secs(2));

    assert_eq!(t.mail_kinds("bob"), [MailKind::Login]);
    assert_eq!(t.expect_user("bob").provider_user_id, None);
}
