//! Stytch is searched for what an earlier call did: the search fails, takes its time, or is
//! overtaken.

use guestlist_domain::flows::SendInvite;
use guestlist_domain::{HeldBy, InvitationStatus};

use super::doubting::LOST;
use crate::support::{Call, Fault, Going, House, JobState, Link, errors, hours, mins, secs};

#[test]
fn a_search_that_is_refused_with_429_costs_no_attempt_and_keeps_the_doubt() {
    for dies in [true, false] {
        let t = House::new();
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
        assert_eq!((held.held_by, held.in_doubt), (Some(HeldBy::RateLimit), true));
        assert_eq!(held.next_attempt_at, Some(t.job::<SendInvite>().run_at));
        assert_eq!(t.job::<SendInvite>().attempts, 1);

        t.work_for(mins(2));
        let sent = t.again(&ada);
        assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 1));
        assert_eq!(t.inbox("ada").len(), 1);
        assert_eq!(t.story(&ada), [&["requested"], &LOST[..], &["held", "sent"]].concat());
    }
}

#[test]
fn a_search_that_our_settings_forbid_waits_for_them() {
    let t = House::new();
    let ada = t.left_by_a_dead_worker("ada", Fault::CallLost);
    t.stytch.is_down(errors::misconfigured());

    t.work_for(hours(1));
    let held = t.again(&ada);
    assert_eq!((held.attempts, held.held_by), (1, Some(HeldBy::Misconfigured)));
    t.stytch.heals();
    t.work_for(secs(31));

    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
    let told = [&["requested"], &LOST[..], &["held", "attempted", "sent"]].concat();
    assert_eq!(t.story(&ada), told, "each once");
}

#[test]
fn a_search_that_fails_ends_the_attempt_and_keeps_the_doubt() {
    for error in [errors::unreachable(), errors::internal(), errors::timed_out()] {
        let t = House::new();
        let ada = t.left_by_a_dead_worker("ada", Fault::AnswerLost);
        t.stytch.refuses(Call::FindUser, 1, &error);

        t.work();

        let waiting = t.again(&ada);
        assert_eq!((waiting.status, waiting.attempts), (InvitationStatus::Queued, 2));
        assert!(waiting.in_doubt);
        assert_eq!(waiting.last_error.unwrap().code, error.code);
        assert_eq!(t.inbox("ada").len(), 1, "nothing is sent blindly");

        t.work_for(mins(1));
        assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
        assert_eq!(t.inbox("ada").len(), 1);
        assert_eq!(t.story(&ada), [&["requested"], &LOST[..], &["sent"]].concat());
    }
}

#[test]
fn a_search_that_never_succeeds_is_given_up_with_the_delivery() {
    let t = House::new();
    let ada = t.invited("ada");
    t.stytch.next(Call::SendInvite, Fault::CallLost);
    t.stytch.refuses(Call::FindUser, 100, &errors::unreachable());

    t.work_for(hours(5));

    let failed = t.again(&ada);
    assert_eq!((failed.status, failed.attempts), (InvitationStatus::Failed, 20));
    assert!(failed.in_doubt);
    assert_eq!(t.stytch.was_asked(Call::SendInvite), 1);
    assert_eq!(t.job::<SendInvite>().state, JobState::Dead);
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
    assert_eq!((t.stytch.was_asked(Call::SendInvite), t.job::<SendInvite>().attempts), (1, 1));
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
