//! Calls whose answer was lost: the provider is searched for what they did before another is made.

use std::time::Duration;

use guestlist_domain::InvitationStatus;
use guestlist_domain::jobs::SendInvitation;
use serde_json::json;

use crate::support::{
    Call, Fault, Interruption, JobState, Simulation, at, errors, hours, mins, secs,
};

/// The timeline of a call whose answer was lost.
pub(super) const LOST: [&str; 2] = ["attempted", "doubtful"];

#[test]
fn a_sent_mail_whose_answer_was_lost_is_not_sent_again() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.next(Call::SendInvite, Fault::AnswerLost);

    t.work_for(mins(1));

    let sent = t.again(&ada);
    assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 1));
    assert!(sent.in_doubt_since.is_none() && sent.last_error.is_none() && sent.sent_at.is_some());
    assert_eq!(t.provider.call_count(Call::SendInvite), 1);
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "doubtful", "sent"]);
    assert_eq!(t.timeline(&ada)[3].detail, json!({ "found": true }));
    let identity = t.provider.state().find(&at("ada")).unwrap().id;
    assert_eq!(t.expect_user("ada").provider_user_id, Some(identity));
    assert!(t.redeem(&t.link("ada")).is_ok());
}

#[test]
fn a_mail_sent_by_a_worker_that_stopped_is_not_sent_again() {
    let t = Simulation::new();
    let ada = t.lost_delivery("ada", Fault::AnswerLost);

    t.work();

    let sent = t.again(&ada);
    assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 1));
    assert_eq!(t.inbox("ada").len(), 1);
    assert_eq!(t.event_kinds(&ada), [&["requested"], &LOST[..], &["sent"]].concat());
    assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
}

#[test]
fn a_lost_call_is_repeated_and_recorded() {
    for dies in [true, false] {
        let t = Simulation::new();
        let ada = if dies {
            t.lost_delivery("ada", Fault::CallLost)
        } else {
            t.provider.next(Call::SendInvite, Fault::CallLost);
            t.invited("ada")
        };

        t.work_for(mins(1));

        let sent = t.again(&ada);
        assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 2));
        assert_eq!(t.inbox("ada").len(), 1);
        assert_eq!(
            t.event_kinds(&ada),
            [&["requested"], &LOST[..], &["attempted", "sent"]].concat()
        );
        assert_eq!(t.timeline(&ada)[3].detail["earlier_call"], "not_sent");
    }
}

#[test]
fn an_undeterminable_call_is_repeated_and_recorded() {
    for known_since in [Some(hours(1)), None] {
        let t = Simulation::new();
        let since = known_since.map(|ago| t.now() - ago);
        t.provider.state().create_foreign(&at("ada"), since);
        let ada = t.lost_delivery("ada", Fault::AnswerLost);

        t.work();

        assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
        assert_eq!(t.inbox("ada").len(), 2, "known since {since:?}");
        assert_eq!(t.timeline(&ada)[3].detail["earlier_call"], "unknown");
    }
}

#[test]
fn the_providers_clock_may_be_five_seconds_behind() {
    for (behind, mails) in [(secs(5), 0), (secs(5) + Duration::from_micros(1), 1)] {
        let t = Simulation::new();
        t.provider.state().create_foreign(&at("ada"), Some(t.now() - behind));
        t.lost_delivery("ada", Fault::CallLost);

        t.work();

        assert_eq!(t.inbox("ada").len(), mails, "{behind:?} behind");
    }
}

#[test]
fn an_identity_older_than_the_resend_proves_nothing() {
    let t = Simulation::new();
    let ada = t.lost_delivery("ada", Fault::AnswerLost);
    t.wait(mins(1));
    t.resend(ada.id).unwrap();
    t.provider.next(Call::SendInvite, Fault::CallLost);

    t.work_for(mins(1));

    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
    assert_eq!(t.inbox("ada").len(), 2);
}

#[test]
fn a_resend_clears_the_doubt() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.next(Call::SendInvite, Fault::AnswerLost);
    t.work();
    t.resend(ada.id).unwrap();

    t.work_for(mins(1));

    assert_eq!((t.provider.call_count(Call::FindUser), t.inbox("ada").len()), (0, 2));
    assert_eq!(t.timeline(&ada)[4].detail.get("earlier_call"), None);
}

#[test]
fn a_user_with_a_known_identity_is_not_searched_for() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.resend(ada.id).unwrap();
    t.provider.next(Call::SendInvite, Fault::AnswerLost);

    t.work_for(mins(1));

    assert_eq!(t.provider.call_count(Call::FindUser), 0);
    assert_eq!(t.inbox("ada").len(), 3);
    assert_eq!(t.timeline(&ada)[6].detail["earlier_call"], "unknown");
}

#[test]
fn a_login_link_delivery_does_not_search() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::address_taken());
    t.provider.next(Call::SendLogin, Fault::AnswerLost);

    t.work_for(mins(1));

    assert_eq!(t.provider.call_count(Call::FindUser), 0, "it makes no identity");
    assert_eq!((t.again(&ada).status, t.inbox("ada").len()), (InvitationStatus::Sent, 2));
}

#[test]
fn a_delivery_without_doubt_does_not_search() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::internal());
    t.provider.refuses(Call::SendInvite, 1, &errors::rate_limited(None));
    let asleep = t.perform(t.claim().unwrap(), Interruption::LeaseRanOut);
    t.settle(&asleep).unwrap();

    t.work_for(mins(1));

    assert_eq!(t.provider.call_count(Call::FindUser), 0);
    assert_eq!(t.again(&ada).attempts, 2);
    assert_eq!(t.timeline(&ada).last().unwrap().detail.get("earlier_call"), None);
}

#[test]
fn a_500_after_a_resolved_doubt_leaves_no_doubt() {
    let t = Simulation::new();
    t.provider.next(Call::SendInvite, Fault::CallLost);
    t.provider.refuses(Call::SendInvite, 1, &errors::internal());
    t.invited("ada");

    t.work_for(mins(1));

    assert_eq!(t.provider.call_count(Call::FindUser), 1);
    assert_eq!(t.inbox("ada").len(), 1);
}

#[test]
fn an_unresolved_doubt_remains_after_a_500() {
    let t = Simulation::new();
    t.provider.state().create_foreign(&at("ada"), Some(t.now() - hours(1)));
    t.provider.next(Call::SendInvite, Fault::CallLost);
    t.provider.refuses(Call::SendInvite, 1, &errors::internal());
    let ada = t.invited("ada");
    t.work_for(secs(3));
    assert!(t.again(&ada).in_doubt_since.is_some(), "the first call may still have sent it");
}
