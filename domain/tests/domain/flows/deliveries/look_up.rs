//! Searches for an earlier call that fail, take long, or are overtaken.

use std::time::Duration;

use guestlist_domain::jobs::SendInvitation;
use guestlist_domain::{HeldBy, InvitationStatus};

use super::earlier_calls::LOST;
use crate::support::{
    Call, Fault, Interruption, JobState, Link, Simulation, errors, hours, mins, secs,
};

#[test]
fn a_rate_limited_search_costs_no_attempt_and_keeps_the_doubt() {
    for dies in [true, false] {
        let t = Simulation::new();
        let began = t.now();
        t.provider.refuses(Call::FindUser, 3, &errors::rate_limited(Some(secs(20))));
        let ada = if dies {
            t.lost_delivery("ada", Fault::AnswerLost)
        } else {
            t.provider.next(Call::SendInvite, Fault::AnswerLost);
            t.invited("ada")
        };
        t.work_for(secs(5));

        let held = t.again(&ada);
        assert_eq!((held.status, held.attempts), (InvitationStatus::Queued, 1));
        assert_eq!((held.held_by, held.in_doubt_since), (Some(HeldBy::RateLimit), Some(began)));
        assert_eq!(held.next_attempt_at, Some(t.job::<SendInvitation>().run_at));
        assert_eq!(t.job::<SendInvitation>().attempts, 1);

        t.work_for(mins(2));
        let sent = t.again(&ada);
        assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 1));
        assert_eq!(t.inbox("ada").len(), 1);
        assert_eq!(t.event_kinds(&ada), [&["requested"], &LOST[..], &["held", "sent"]].concat());
    }
}

#[test]
fn a_misconfigured_or_rate_limited_search_waits_indefinitely() {
    let reasons = [
        (errors::misconfigured(), HeldBy::Misconfigured),
        (errors::rate_limited(None), HeldBy::RateLimit),
    ];
    for (error, by) in reasons {
        let t = Simulation::new();
        let ada = t.lost_delivery("ada", Fault::CallLost);
        t.provider.fail_all(error);

        t.work_for(hours(1));
        let held = t.again(&ada);
        assert_eq!((held.attempts, held.held_by), (1, Some(by)));
        assert_eq!(t.provider.call_count(Call::SendInvite), 1, "{by:?}");
        t.provider.recover();
        t.work_for(secs(31));

        assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
        let recorded = [&["requested"], &LOST[..], &["held", "attempted", "sent"]].concat();
        assert_eq!(t.event_kinds(&ada), recorded, "each once");
    }
}

#[test]
fn a_failed_search_is_repeated_without_costing_an_attempt() {
    let failures =
        [errors::unreachable(), errors::internal(), errors::timed_out(), errors::doubtful()];
    for error in failures {
        let t = Simulation::new();
        let ada = t.lost_delivery("ada", Fault::AnswerLost);
        t.provider.refuses(Call::FindUser, 1, &error);

        t.work();

        let waiting = t.again(&ada);
        assert_eq!((waiting.status, waiting.attempts), (InvitationStatus::Queued, 1));
        assert_eq!((waiting.in_doubt_since, waiting.held_by), (Some(t.now()), None));
        let job = t.job::<SendInvitation>();
        assert_eq!((job.state, job.attempts), (JobState::Scheduled, 1));
        assert_eq!(waiting.next_attempt_at, Some(job.run_at));
        let pause = job.run_at.duration_since(t.now()).unsigned_abs();
        assert!((secs(5)..=Duration::from_millis(7500)).contains(&pause), "{pause:?}");
        assert_eq!(job.last_error.unwrap().code, error.code);
        assert_eq!(t.inbox("ada").len(), 1, "nothing is sent blindly");

        t.work_for(mins(1));
        assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
        assert_eq!(t.inbox("ada").len(), 1);
        assert_eq!(t.event_kinds(&ada), [&["requested"], &LOST[..], &["sent"]].concat());
    }
}

#[test]
fn a_search_that_keeps_failing_holds_the_mail_for_two_minutes() {
    for error in [errors::unreachable(), errors::timed_out(), errors::doubtful()] {
        for dies in [true, false] {
            let t = Simulation::new();
            t.provider.refuses(Call::FindUser, 1_000, &error);
            let ada = if dies {
                t.lost_delivery("ada", Fault::AnswerLost)
            } else {
                t.provider.next(Call::SendInvite, Fault::AnswerLost);
                t.invited("ada")
            };

            t.work_for(mins(2).saturating_sub(Duration::from_millis(1)));
            let waiting = t.again(&ada);
            assert_eq!((waiting.status, waiting.attempts), (InvitationStatus::Queued, 1));
            assert_eq!(t.inbox("ada").len(), 1);
            let searches = t.provider.call_count(Call::FindUser);
            assert!((16..=24).contains(&searches), "{searches} searches");

            t.work_for(secs(8));
            let sent = t.again(&ada);
            assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 2));
            assert_eq!(sent.in_doubt_since, None);
            assert_eq!(t.inbox("ada").len(), 2);
            assert_eq!(
                t.event_kinds(&ada),
                [&["requested"], &LOST[..], &["attempted", "sent"]].concat()
            );
            assert_eq!(t.timeline(&ada)[3].detail["earlier_call"], "unknown");
        }
    }
}

#[test]
fn the_two_minutes_restart_after_an_outage() {
    let t = Simulation::new();
    t.provider.refuses(Call::FindUser, 1_000, &errors::unreachable());
    let from = t.now();
    t.lost_delivery("ada", Fault::AnswerLost);
    t.wait(mins(10));
    t.record_outage(HeldBy::ProviderDown, from);

    t.work_for(mins(2).saturating_sub(Duration::from_millis(1)));
    assert_eq!(t.inbox("ada").len(), 1, "nobody could search before");

    t.work_for(secs(8));
    assert_eq!(t.inbox("ada").len(), 2);
}

#[test]
fn an_earlier_outage_does_not_shorten_the_two_minutes() {
    let t = Simulation::new();
    t.provider.refuses(Call::FindUser, 1_000, &errors::unreachable());
    let from = t.now();
    t.wait(mins(10));
    t.record_outage(HeldBy::ProviderDown, from);
    t.wait(mins(1));
    t.lost_delivery("ada", Fault::AnswerLost);

    t.work_for(mins(2).saturating_sub(Duration::from_millis(1)));
    assert_eq!(t.inbox("ada").len(), 1);

    t.work_for(secs(8));
    assert_eq!(t.inbox("ada").len(), 2);
}

#[test]
fn after_a_rejected_search_the_mail_is_sent_at_once() {
    let t = Simulation::new();
    let ada = t.lost_delivery("ada", Fault::AnswerLost);
    t.provider.refuses(Call::FindUser, 1, &errors::rejected("bad_request"));

    t.work();

    assert_eq!((t.again(&ada).status, t.inbox("ada").len()), (InvitationStatus::Sent, 2));
    assert_eq!(t.timeline(&ada)[3].detail["earlier_call"], "unknown");
}

#[test]
fn a_failed_search_after_a_hold_clears_the_hold() {
    let t = Simulation::new();
    let ada = t.lost_delivery("ada", Fault::AnswerLost);
    t.provider.refuses(Call::FindUser, 1, &errors::rate_limited(None));
    t.provider.refuses(Call::FindUser, 1, &errors::unreachable());
    t.work();
    assert_eq!(t.again(&ada).held_by, Some(HeldBy::RateLimit));

    t.work_for(secs(3));

    let waiting = t.again(&ada);
    assert_eq!((waiting.held_by, waiting.attempts), (None, 1));
    assert_eq!(waiting.next_attempt_at, Some(t.job::<SendInvitation>().run_at));
}

#[test]
fn an_invitation_revoked_during_a_failing_search_stays_revoked() {
    let t = Simulation::new();
    let ada = t.lost_delivery("ada", Fault::AnswerLost);
    t.provider.refuses(Call::FindUser, 1, &errors::unreachable());
    let searching = t.perform_next();
    t.revoke(ada.id).unwrap();

    t.settle(&searching).unwrap();
    t.work_for(mins(1));

    let revoked = t.again(&ada);
    assert_eq!((revoked.status, revoked.next_attempt_at), (InvitationStatus::Revoked, None));
    assert_eq!(t.link_state("ada"), Link::Revoked);
    assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
}

#[test]
fn a_worker_that_lost_its_lease_during_the_search_sends_nothing() {
    let t = Simulation::new();
    let ada = t.lost_delivery("ada", Fault::CallLost);

    for _ in 0..2 {
        let asleep = t.perform(t.claim().unwrap(), Interruption::LeaseRanOut);
        t.settle(&asleep).unwrap();
    }

    assert_eq!(t.provider.call_count(Call::FindUser), 2);
    assert_eq!(
        (t.provider.call_count(Call::SendInvite), t.job::<SendInvitation>().attempts),
        (1, 1)
    );
    t.work();
    assert_eq!(t.provider.call_count(Call::FindUser), 3, "the doubt is kept");
    assert_eq!(t.again(&ada).attempts, 2);
    assert_eq!(t.event_kinds(&ada), [&["requested"], &LOST[..], &["attempted", "sent"]].concat());
}

#[test]
fn a_worker_that_lost_its_lease_may_still_report_what_it_found() {
    let t = Simulation::new();
    let ada = t.lost_delivery("ada", Fault::AnswerLost);

    let asleep = t.perform(t.claim().unwrap(), Interruption::LeaseRanOut);
    t.settle(&asleep).unwrap();

    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
}

#[test]
fn a_mail_found_after_a_revocation_is_revoked() {
    let t = Simulation::new();
    let ada = t.lost_delivery("ada", Fault::AnswerLost);
    let other = t.clone();
    t.provider.before_answer(Call::FindUser, move || drop(other.revoke(ada.id).unwrap()));

    t.work();

    assert_eq!(t.again(&ada).status, InvitationStatus::Revoked);
    assert_eq!(t.link_state("ada"), Link::Revoked);
}

#[test]
fn a_mail_found_of_an_earlier_delivery_does_not_count_for_a_later_one() {
    let t = Simulation::new();
    let ada = t.lost_delivery("ada", Fault::AnswerLost);
    let other = t.clone();
    t.provider.before_answer(Call::FindUser, move || drop(other.resend(ada.id).unwrap()));

    t.work();
    assert_eq!(t.again(&ada).status, InvitationStatus::Queued);
    t.work_for(secs(2));

    assert_eq!((t.again(&ada).status, t.inbox("ada").len()), (InvitationStatus::Sent, 2));
}

#[test]
fn an_invitation_revoked_or_resent_during_the_search_is_not_sent() {
    for resends in [true, false] {
        let t = Simulation::new();
        let ada = t.lost_delivery("ada", Fault::CallLost);
        let other = t.clone();
        t.provider.before_answer(Call::FindUser, move || {
            if resends {
                other.resend(ada.id).unwrap();
            } else {
                other.revoke(ada.id).unwrap();
            }
        });

        t.work();

        assert!(t.inbox("ada").is_empty());
        t.work_for(secs(2));
        assert_eq!(t.inbox("ada").len(), usize::from(resends));
    }
}
