//! Stytch is searched for what an earlier call did: the search fails, takes its time, or is
//! overtaken.

use std::time::Duration;

use guestlist_domain::flows::SendInvitation;
use guestlist_domain::{HeldBy, InvitationStatus};

use super::doubting::LOST;
use crate::support::{Call, Fault, Going, House, JobState, Link, errors, hours, mins, secs};

#[test]
fn a_search_that_is_refused_with_429_costs_no_attempt_and_keeps_the_doubt() {
    for dies in [true, false] {
        let t = House::new();
        let began = t.now();
        t.stytch.refuses(Call::FindUser, 3, &errors::rate_limited(Some(secs(20))));
        let ada = if dies {
            t.left_by_a_dead_worker("ada", Fault::AnswerLost)
        } else {
            t.stytch.next(Call::SendInvite, Fault::AnswerLost);
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
        assert_eq!(t.story(&ada), [&["requested"], &LOST[..], &["held", "sent"]].concat());
    }
}

#[test]
fn a_search_that_our_settings_or_a_limit_forbid_waits_for_as_long_as_it_takes() {
    let reasons = [
        (errors::misconfigured(), HeldBy::Misconfigured),
        (errors::rate_limited(None), HeldBy::RateLimit),
    ];
    for (error, by) in reasons {
        let t = House::new();
        let ada = t.left_by_a_dead_worker("ada", Fault::CallLost);
        t.stytch.is_down(error);

        t.work_for(hours(1));
        let held = t.again(&ada);
        assert_eq!((held.attempts, held.held_by), (1, Some(by)));
        assert_eq!(t.stytch.was_asked(Call::SendInvite), 1, "{by:?}");
        t.stytch.heals();
        t.work_for(secs(31));

        assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
        let told = [&["requested"], &LOST[..], &["held", "attempted", "sent"]].concat();
        assert_eq!(t.story(&ada), told, "each once");
    }
}

#[test]
fn a_search_that_fails_is_made_again_soon_costs_no_attempt_and_keeps_the_doubt() {
    let failures =
        [errors::unreachable(), errors::internal(), errors::timed_out(), errors::doubtful()];
    for error in failures {
        let t = House::new();
        let ada = t.left_by_a_dead_worker("ada", Fault::AnswerLost);
        t.stytch.refuses(Call::FindUser, 1, &error);

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
        assert_eq!(t.story(&ada), [&["requested"], &LOST[..], &["sent"]].concat());
    }
}

#[test]
fn a_search_that_never_succeeds_keeps_the_mail_for_two_minutes() {
    for error in [errors::unreachable(), errors::timed_out(), errors::doubtful()] {
        for dies in [true, false] {
            let t = House::new();
            t.stytch.refuses(Call::FindUser, 1_000, &error);
            let ada = if dies {
                t.left_by_a_dead_worker("ada", Fault::AnswerLost)
            } else {
                t.stytch.next(Call::SendInvite, Fault::AnswerLost);
                t.invited("ada")
            };

            t.work_for(mins(2).saturating_sub(Duration::from_millis(1)));
            let waiting = t.again(&ada);
            assert_eq!((waiting.status, waiting.attempts), (InvitationStatus::Queued, 1));
            assert_eq!(t.inbox("ada").len(), 1);
            let searches = t.stytch.was_asked(Call::FindUser);
            assert!((16..=24).contains(&searches), "{searches} searches");

            t.work_for(secs(8));
            let sent = t.again(&ada);
            assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 2));
            assert_eq!(sent.in_doubt_since, None);
            assert_eq!(t.inbox("ada").len(), 2);
            assert_eq!(t.story(&ada), [&["requested"], &LOST[..], &["attempted", "sent"]].concat());
            assert_eq!(t.timeline(&ada)[3].detail["earlier_call"], "unknown");
        }
    }
}

#[test]
fn the_two_minutes_begin_anew_when_an_outage_ends() {
    let t = House::new();
    t.stytch.refuses(Call::FindUser, 1_000, &errors::unreachable());
    let from = t.now();
    t.left_by_a_dead_worker("ada", Fault::AnswerLost);
    t.wait(mins(10));
    t.has_waited_out(HeldBy::ProviderDown, from);

    t.work_for(mins(2).saturating_sub(Duration::from_millis(1)));
    assert_eq!(t.inbox("ada").len(), 1, "nobody could search before");

    t.work_for(secs(8));
    assert_eq!(t.inbox("ada").len(), 2);
}

#[test]
fn an_outage_that_ended_before_the_doubt_began_takes_nothing_off_the_two_minutes() {
    let t = House::new();
    t.stytch.refuses(Call::FindUser, 1_000, &errors::unreachable());
    let from = t.now();
    t.wait(mins(10));
    t.has_waited_out(HeldBy::ProviderDown, from);
    t.wait(mins(1));
    t.left_by_a_dead_worker("ada", Fault::AnswerLost);

    t.work_for(mins(2).saturating_sub(Duration::from_millis(1)));
    assert_eq!(t.inbox("ada").len(), 1);

    t.work_for(secs(8));
    assert_eq!(t.inbox("ada").len(), 2);
}

#[test]
fn a_search_that_is_rejected_decides_nothing_and_the_mail_is_sent_at_once() {
    let t = House::new();
    let ada = t.left_by_a_dead_worker("ada", Fault::AnswerLost);
    t.stytch.refuses(Call::FindUser, 1, &errors::rejected("bad_request"));

    t.work();

    assert_eq!((t.again(&ada).status, t.inbox("ada").len()), (InvitationStatus::Sent, 2));
    assert_eq!(t.timeline(&ada)[3].detail["earlier_call"], "unknown");
}

#[test]
fn a_search_that_fails_after_it_was_held_waits_for_nothing_that_has_a_name() {
    let t = House::new();
    let ada = t.left_by_a_dead_worker("ada", Fault::AnswerLost);
    t.stytch.refuses(Call::FindUser, 1, &errors::rate_limited(None));
    t.stytch.refuses(Call::FindUser, 1, &errors::unreachable());
    t.work();
    assert_eq!(t.again(&ada).held_by, Some(HeldBy::RateLimit));

    t.work_for(secs(3));

    let waiting = t.again(&ada);
    assert_eq!((waiting.held_by, waiting.attempts), (None, 1));
    assert_eq!(waiting.next_attempt_at, Some(t.job::<SendInvitation>().run_at));
}

#[test]
fn what_was_revoked_while_its_search_failed_stays_so_and_dies_at_stytch() {
    let t = House::new();
    let ada = t.left_by_a_dead_worker("ada", Fault::AnswerLost);
    t.stytch.refuses(Call::FindUser, 1, &errors::unreachable());
    let searching = t.begin();
    t.revoke(ada.id).unwrap();

    t.settle(&searching).unwrap();
    t.work_for(mins(1));

    let revoked = t.again(&ada);
    assert_eq!((revoked.status, revoked.next_attempt_at), (InvitationStatus::Revoked, None));
    assert_eq!(t.link_state("ada"), Link::Revoked);
    assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
}

#[test]
fn a_worker_that_overslept_its_search_mails_nothing_and_costs_nothing() {
    let t = House::new();
    let ada = t.left_by_a_dead_worker("ada", Fault::CallLost);

    for _ in 0..2 {
        let asleep = t.perform(t.claim().unwrap(), Going::LeaseRanOut);
        t.settle(&asleep).unwrap();
    }

    assert_eq!(t.stytch.was_asked(Call::FindUser), 2);
    assert_eq!((t.stytch.was_asked(Call::SendInvite), t.job::<SendInvitation>().attempts), (1, 1));
    t.work();
    assert_eq!(t.stytch.was_asked(Call::FindUser), 3, "the doubt is kept");
    assert_eq!(t.again(&ada).attempts, 2);
    assert_eq!(t.story(&ada), [&["requested"], &LOST[..], &["attempted", "sent"]].concat());
}

#[test]
fn a_worker_that_overslept_may_still_say_what_it_found() {
    let t = House::new();
    let ada = t.left_by_a_dead_worker("ada", Fault::AnswerLost);

    let asleep = t.perform(t.claim().unwrap(), Going::LeaseRanOut);
    t.settle(&asleep).unwrap();

    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
}

#[test]
fn what_was_revoked_while_its_mail_was_found_dies_at_stytch() {
    let t = House::new();
    let ada = t.left_by_a_dead_worker("ada", Fault::AnswerLost);
    let other = t.clone();
    t.stytch.while_on_its_way_back(Call::FindUser, move || drop(other.revoke(ada.id).unwrap()));

    t.work();

    assert_eq!(t.again(&ada).status, InvitationStatus::Revoked);
    assert_eq!(t.link_state("ada"), Link::Revoked);
}

#[test]
fn what_was_found_of_an_earlier_delivery_is_not_the_later_ones() {
    let t = House::new();
    let ada = t.left_by_a_dead_worker("ada", Fault::AnswerLost);
    let other = t.clone();
    t.stytch.while_on_its_way_back(Call::FindUser, move || drop(other.resend(ada.id).unwrap()));

    t.work();
    assert_eq!(t.again(&ada).status, InvitationStatus::Queued);
    t.work_for(secs(2));

    assert_eq!((t.again(&ada).status, t.inbox("ada").len()), (InvitationStatus::Sent, 2));
}

#[test]
fn what_was_revoked_or_resent_while_it_was_searched_for_is_not_sent() {
    for resends in [true, false] {
        let t = House::new();
        let ada = t.left_by_a_dead_worker("ada", Fault::CallLost);
        let other = t.clone();
        t.stytch.while_on_its_way_back(Call::FindUser, move || {
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
