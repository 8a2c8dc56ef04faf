//! Failed attempts: which are retried, how often, and when the delivery is given up.

use guestlist_domain::flows::NewInvitation;
use guestlist_domain::jobs::SendInvitation;
use guestlist_domain::{EventKind, HeldBy, InvitationStatus};
use serde_json::json;

use crate::support::{
    Call, Fault, Interruption, JobState, Link, Simulation, days, errors, hours, mins, secs,
};

#[test]
fn three_times_500_and_then_200_are_four_attempts() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 3, &errors::internal());

    t.work_for(mins(1));

    let sent = t.again(&ada);
    assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 4));
    assert_eq!(sent.last_error, None);
    let story = t.event_kinds(&ada);
    assert_eq!(story, ["requested", "attempted", "attempted", "attempted", "attempted", "sent"]);
    let outcomes: Vec<_> =
        t.timeline(&ada)[1..5].iter().map(|e| e.detail["outcome"].clone()).collect();
    assert_eq!(outcomes, ["error", "error", "error", "ok"]);
    assert_eq!(t.inbox("ada").len(), 1);
}

#[test]
fn a_500_is_retried_after_two_seconds_and_recorded() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::internal());

    t.work();

    let waiting = t.again(&ada);
    assert_eq!((waiting.status, waiting.attempts), (InvitationStatus::Queued, 1));
    assert_eq!(waiting.held_by, None);
    let error = waiting.last_error.unwrap();
    assert_eq!((error.code.as_str(), error.at), ("internal_server_error", t.now()));
    let pause = waiting.next_attempt_at.unwrap().duration_since(t.now()).unsigned_abs();
    assert!((secs(2).mul_f64(0.9)..=secs(2).mul_f64(1.1)).contains(&pause), "{pause:?}");
    assert_eq!(Some(t.job::<SendInvitation>().run_at), waiting.next_attempt_at);
}

#[test]
fn an_invitation_fails_after_twenty_attempts() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.fail_all(errors::unreachable());

    t.work_for(hours(2));
    assert_eq!(t.again(&ada).status, InvitationStatus::Queued);
    t.work_for(hours(2));

    let failed = t.again(&ada);
    assert_eq!((failed.status, failed.attempts), (InvitationStatus::Failed, 20));
    assert_eq!(failed.last_error.unwrap().code, "connect");
    assert_eq!((failed.next_attempt_at, failed.held_by), (None, None));
    assert_eq!(t.provider.call_count(Call::SendInvite), 20);
    let story = t.event_kinds(&ada);
    assert_eq!(story.len(), 22);
    assert_eq!(story[20..], ["attempted", "failed"]);
    assert_eq!(t.job::<SendInvitation>().state, JobState::Dead);
}

#[test]
fn a_rejected_address_fails_at_once() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::rejected("invalid_email"));

    t.work();

    let failed = t.again(&ada);
    assert_eq!((failed.status, failed.attempts), (InvitationStatus::Failed, 1));
    assert_eq!(failed.last_error.unwrap().code, "invalid_email");
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "failed"]);
    assert_eq!(t.timeline(&ada)[2].detail["code"], "invalid_email");
    assert_eq!(t.job::<SendInvitation>().state, JobState::Dead);
}

#[test]
fn a_lost_answer_is_recorded() {
    for fault in [Fault::AnswerLost, Fault::CallLost] {
        let t = Simulation::new();
        let ada = t.invited("ada");
        t.provider.next(Call::SendInvite, fault.clone());

        t.work();

        assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "doubtful"], "{fault:?}");
        let doubtful = t.again(&ada);
        assert_eq!((doubtful.status, doubtful.attempts), (InvitationStatus::Queued, 1));
        assert_eq!(doubtful.in_doubt_since, Some(t.now()), "{fault:?}");
    }
}

#[test]
fn a_500_causes_no_doubt() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::internal());
    t.work();
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted"]);
}

#[test]
fn no_attempt_is_made_after_the_invitation_expired() {
    let t = Simulation::new();
    let short = NewInvitation { expires_in_minutes: Some(10), ..Simulation::invitation_of("ada") };
    let ada = t.invite_as(short).unwrap();
    t.provider.fail_all(errors::internal());

    t.work_for(hours(2));

    let failed = t.again(&ada);
    assert_eq!(failed.status, InvitationStatus::Failed);
    assert_eq!(failed.last_error.unwrap().code, "internal_server_error");
    assert!(failed.attempts < 12, "{} attempts", failed.attempts);
    let timeline = t.timeline(&ada);
    let mut calls = timeline.iter().filter(|event| event.kind == EventKind::Attempted);
    assert!(calls.all(|call| call.at < ada.expires_at));
    assert_eq!(t.job::<SendInvitation>().state, JobState::Dead);
}

#[test]
fn an_invitation_that_expires_while_held_is_swept() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.wait(days(7).saturating_sub(secs(1)));
    t.provider.fail_all(errors::misconfigured());
    t.work();
    assert_eq!(t.again(&ada).held_by, Some(HeldBy::Misconfigured));
    t.provider.recover();

    t.work_for(mins(2));
    assert!(t.inbox("ada").is_empty(), "nothing goes out after the end");
    t.sweep();

    let expired = t.again(&ada);
    assert_eq!((expired.status, expired.held_by), (InvitationStatus::Expired, None));
}

#[test]
fn a_lost_worker_costs_an_attempt() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.next(Call::SendInvite, Fault::CallLost);
    let _dies = t.perform_next();
    t.rescue();

    t.work();

    let sent = t.again(&ada);
    assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 2));
}

#[test]
fn twenty_lost_workers_fail_the_invitation() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    for _ in 0..20 {
        t.provider.next(Call::SendInvite, Fault::CallLost);
        let _dies = t.perform_next();
        t.rescue();
    }

    t.work();

    let failed = t.again(&ada);
    assert_eq!((failed.status, failed.attempts), (InvitationStatus::Failed, 20));
    assert_eq!(failed.last_error.unwrap().code, "attempts_exhausted");
    let lost = ["attempted", "doubtful"].repeat(20);
    let recorded = [vec!["requested"], lost, vec!["failed"]].concat();
    assert_eq!(t.event_kinds(&ada), recorded, "each of them may have sent its mail");
    assert_eq!(t.provider.call_count(Call::SendInvite), 20, "the last claim only records the end");
    assert_eq!(t.job::<SendInvitation>().state, JobState::Dead);
}

#[test]
fn a_crashed_job_is_retried() {
    let t = Simulation::new();
    let ada = t.invited("ada");

    let broken = t.perform(t.claim().unwrap(), Interruption::Breaks);
    t.settle(&broken).unwrap();

    let waiting = t.again(&ada);
    assert_eq!((waiting.status, waiting.attempts), (InvitationStatus::Queued, 1));
    assert_eq!(waiting.last_error.unwrap().code, "timeout");
    assert_eq!(t.job::<SendInvitation>().state, JobState::Retrying);
    t.work_for(secs(3));
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
}

#[test]
fn a_crashed_attempt_is_recorded_as_doubtful() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let began = t.now();
    let broken = t.perform(t.claim().unwrap(), Interruption::BreaksLate);
    t.wait(secs(30));

    t.settle(&broken).unwrap();

    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "doubtful"]);
    let recorded = t.timeline(&ada);
    let attempted = json!({
        "number": 1,
        "outcome": "error",
        "code": "panic",
        "request_id": null,
        "duration_ms": 30_000,
    });
    assert_eq!(recorded[1].detail, attempted);
    assert_eq!(recorded[2].detail, json!({ "number": 1, "code": "panic" }));
    assert_eq!(t.again(&ada).in_doubt_since, Some(began));

    t.work_for(secs(3));
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
    assert_eq!(t.inbox("ada").len(), 1, "it had");
}

#[test]
fn twenty_crashed_attempts_fail_the_invitation_and_each_is_recorded() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    for _ in 0..20 {
        t.wait(mins(20));
        let broken = t.perform(t.claim().unwrap(), Interruption::Breaks);
        t.settle(&broken).unwrap();
    }

    let failed = t.again(&ada);
    assert_eq!((failed.status, failed.attempts), (InvitationStatus::Failed, 20));
    let broken = ["attempted", "doubtful"].repeat(20);
    assert_eq!(t.event_kinds(&ada), [vec!["requested"], broken, vec!["failed"]].concat());
    assert_eq!(t.job::<SendInvitation>().state, JobState::Dead);
}

#[test]
fn a_crashed_attempt_of_a_revoked_invitation_is_recorded_and_undone() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let broken = t.perform(t.claim().unwrap(), Interruption::BreaksLate);
    t.revoke(ada.id).unwrap();

    t.settle(&broken).unwrap();
    t.work();

    assert_eq!(t.event_kinds(&ada), ["requested", "revoked", "attempted", "doubtful"]);
    assert_eq!(t.again(&ada).status, InvitationStatus::Revoked);
    assert_eq!(t.link_state("ada"), Link::Revoked);
    assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
}
