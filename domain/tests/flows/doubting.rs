//! A call whose answer was lost may have sent its mail: before another is made, Stytch is searched
//! for what the first one did.

use std::time::Duration;

use guestlist_domain::InvitationStatus;
use guestlist_domain::flows::SendInvitation;
use serde_json::json;

use crate::support::{Call, Fault, Going, House, JobState, at, errors, hours, mins, secs};

/// What the timeline says of a call whose answer was lost.
pub(super) const LOST: [&str; 2] = ["attempted", "doubtful"];

#[test]
fn a_mail_that_was_sent_though_its_answer_was_lost_is_not_sent_again() {
    let t = House::new();
    let ada = t.invited("ada");
    t.stytch.next(Call::SendInvite, Fault::AnswerLost);

    t.work_for(mins(1));

    let sent = t.again(&ada);
    assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 1));
    assert!(sent.in_doubt_since.is_none() && sent.last_error.is_none() && sent.sent_at.is_some());
    assert_eq!(t.stytch.was_asked(Call::SendInvite), 1);
    assert_eq!(t.story(&ada), ["requested", "attempted", "doubtful", "sent"]);
    assert_eq!(t.timeline(&ada)[3].detail, json!({ "found": true }));
    let identity = t.stytch.knows().find(&at("ada")).unwrap().id;
    assert_eq!(t.expect_user("ada").provider_user_id, Some(identity));
    assert!(t.press(&t.link("ada")).is_ok());
}

#[test]
fn a_mail_that_a_worker_sent_before_it_died_is_not_sent_again() {
    let t = House::new();
    let ada = t.left_by_a_dead_worker("ada", Fault::AnswerLost);

    t.work();

    let sent = t.again(&ada);
    assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 1));
    assert_eq!(t.inbox("ada").len(), 1);
    assert_eq!(t.story(&ada), [&["requested"], &LOST[..], &["sent"]].concat());
    assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
}

#[test]
fn a_call_that_never_arrived_is_made_again_and_the_timeline_says_so() {
    for dies in [true, false] {
        let t = House::new();
        let ada = if dies {
            t.left_by_a_dead_worker("ada", Fault::CallLost)
        } else {
            t.stytch.next(Call::SendInvite, Fault::CallLost);
            t.invited("ada")
        };

        t.work_for(mins(1));

        let sent = t.again(&ada);
        assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 2));
        assert_eq!(t.inbox("ada").len(), 1);
        assert_eq!(t.story(&ada), [&["requested"], &LOST[..], &["attempted", "sent"]].concat());
        assert_eq!(t.timeline(&ada)[3].detail["earlier_call"], "not_sent");
    }
}

#[test]
fn what_cannot_be_decided_is_sent_again_and_the_timeline_says_so() {
    for known_since in [Some(hours(1)), None] {
        let t = House::new();
        let since = known_since.map(|ago| t.now() - ago);
        t.stytch.knows().knew(&at("ada"), since);
        let ada = t.left_by_a_dead_worker("ada", Fault::AnswerLost);

        t.work();

        assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
        assert_eq!(t.inbox("ada").len(), 2, "known since {since:?}");
        assert_eq!(t.timeline(&ada)[3].detail["earlier_call"], "unknown");
    }
}

#[test]
fn stytchs_clock_may_be_five_seconds_behind() {
    for (behind, mails) in [(secs(5), 0), (secs(5) + Duration::from_micros(1), 1)] {
        let t = House::new();
        t.stytch.knows().knew(&at("ada"), Some(t.now() - behind));
        t.left_by_a_dead_worker("ada", Fault::CallLost);

        t.work();

        assert_eq!(t.inbox("ada").len(), mails, "{behind:?} behind");
    }
}

#[test]
fn an_identity_made_before_it_was_sent_again_decides_nothing() {
    let t = House::new();
    let ada = t.left_by_a_dead_worker("ada", Fault::AnswerLost);
    t.wait(mins(1));
    t.resend(ada.id).unwrap();
    t.stytch.next(Call::SendInvite, Fault::CallLost);

    t.work_for(mins(1));

    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
    assert_eq!(t.inbox("ada").len(), 2);
}

#[test]
fn what_is_sent_again_begins_without_a_doubt() {
    let t = House::new();
    let ada = t.invited("ada");
    t.stytch.next(Call::SendInvite, Fault::AnswerLost);
    t.work();
    t.resend(ada.id).unwrap();

    t.work_for(mins(1));

    assert_eq!((t.stytch.was_asked(Call::FindUser), t.inbox("ada").len()), (0, 2));
    assert_eq!(t.timeline(&ada)[4].detail.get("earlier_call"), None);
}

#[test]
fn nobody_is_searched_for_whose_identity_is_known() {
    let t = House::new();
    let ada = t.sent("ada");
    t.resend(ada.id).unwrap();
    t.stytch.next(Call::SendInvite, Fault::AnswerLost);

    t.work_for(mins(1));

    assert_eq!(t.stytch.was_asked(Call::FindUser), 0);
    assert_eq!(t.inbox("ada").len(), 3);
    assert_eq!(t.timeline(&ada)[6].detail["earlier_call"], "unknown");
}

#[test]
fn nobody_is_searched_for_who_gets_a_login_link() {
    let t = House::new();
    let ada = t.invited("ada");
    t.stytch.refuses(Call::SendInvite, 1, &errors::address_taken());
    t.stytch.next(Call::SendLogin, Fault::AnswerLost);

    t.work_for(mins(1));

    assert_eq!(t.stytch.was_asked(Call::FindUser), 0, "it makes no identity");
    assert_eq!((t.again(&ada).status, t.inbox("ada").len()), (InvitationStatus::Sent, 2));
}

#[test]
fn nobody_is_searched_for_without_a_doubt() {
    let t = House::new();
    let ada = t.invited("ada");
    t.stytch.refuses(Call::SendInvite, 1, &errors::internal());
    t.stytch.refuses(Call::SendInvite, 1, &errors::rate_limited(None));
    let asleep = t.perform(t.claim().unwrap(), Going::LeaseRanOut);
    t.settle(&asleep).unwrap();

    t.work_for(mins(1));

    assert_eq!(t.stytch.was_asked(Call::FindUser), 0);
    assert_eq!(t.again(&ada).attempts, 2);
    assert_eq!(t.timeline(&ada).last().unwrap().detail.get("earlier_call"), None);
}

#[test]
fn a_500_after_a_doubt_was_decided_leaves_none() {
    let t = House::new();
    t.stytch.next(Call::SendInvite, Fault::CallLost);
    t.stytch.refuses(Call::SendInvite, 1, &errors::internal());
    t.invited("ada");

    t.work_for(mins(1));

    assert_eq!(t.stytch.was_asked(Call::FindUser), 1);
    assert_eq!(t.inbox("ada").len(), 1);
}

#[test]
fn what_is_undecided_stays_so_after_a_500() {
    let t = House::new();
    t.stytch.knows().knew(&at("ada"), Some(t.now() - hours(1)));
    t.stytch.next(Call::SendInvite, Fault::CallLost);
    t.stytch.refuses(Call::SendInvite, 1, &errors::internal());
    let ada = t.invited("ada");
    t.work_for(secs(3));
    assert!(t.again(&ada).in_doubt_since.is_some(), "the first call may still have sent it");
}
