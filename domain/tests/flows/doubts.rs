//! Since when a mail may be out: what Stytch has had for longer is not what our call made.

use guestlist_domain::flows::SendInvitation;
use guestlist_domain::{Invitation, InvitationStatus, QueueName};

use super::doubting::LOST;
use crate::support::{Call, Fault, Going, House, at, errors, hours, mins, secs};

/// Somebody whose mail was asked for at once, and whose first call is made a minute later, and
/// lost; half a minute before that, somebody else gave them an identity.
fn identified_before_the_first_call(t: &House, lose: impl FnOnce(&House)) -> Invitation {
    t.pause(QueueName::Invitation).unwrap();
    let ada = t.invited("ada");
    t.wait(secs(30));
    t.stytch.knows().knew(&at("ada"), Some(t.now()));
    t.wait(secs(30));
    t.resume(QueueName::Invitation).unwrap();
    t.stytch.next(Call::SendInvite, Fault::CallLost);
    lose(t);
    ada
}

#[test]
fn an_identity_that_somebody_else_made_before_the_first_call_is_not_taken_for_ours() {
    type Loses = fn(&House);
    let losses: [Loses; 3] = [
        |t| t.work(),
        |t| {
            let _dies = t.begin();
            t.rescue();
        },
        |t| {
            let broken = t.perform(t.claim().unwrap(), Going::BreaksLate);
            t.settle(&broken).unwrap();
        },
    ];
    for (n, lose) in losses.into_iter().enumerate() {
        let t = House::new();
        let ada = identified_before_the_first_call(&t, lose);

        t.work_for(mins(1));

        let sent = t.again(&ada);
        assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 2), "{n}");
        assert_eq!(t.inbox("ada").len(), 1, "{n}");
        assert_eq!(t.story(&ada), [&["requested"], &LOST[..], &["attempted", "sent"]].concat());
        assert_eq!(t.timeline(&ada)[3].detail["earlier_call"], "unknown");
        assert!(t.press(&t.link("ada")).is_ok());
    }
}

#[test]
fn a_doubt_keeps_its_beginning_through_snoozes_and_later_doubts() {
    let t = House::new();
    let ada = t.invited("ada");
    t.wait(mins(1));
    let began = t.now();
    t.stytch.knows().knew(&at("ada"), Some(began - hours(1)));
    for _ in 0..3 {
        t.stytch.next(Call::SendInvite, Fault::CallLost);
    }
    t.stytch.refuses(Call::FindUser, 1, &errors::unreachable());
    t.stytch.refuses(Call::FindUser, 1, &errors::rate_limited(None));
    let in_doubt_since = || t.again(&ada).in_doubt_since;

    t.work();
    assert_eq!(in_doubt_since(), Some(began), "its answer was lost");
    t.work_for(secs(12));
    assert_eq!((t.stytch.was_asked(Call::FindUser), in_doubt_since()), (3, Some(began)));
    assert_eq!(t.stytch.was_asked(Call::SendInvite), 2, "the second answer was lost too");
    t.wait(mins(5));
    let _dies = t.begin();
    t.rescue();
    let broken = t.perform(t.claim().unwrap(), Going::Breaks);
    t.settle(&broken).unwrap();
    assert_eq!((t.again(&ada).attempts, in_doubt_since()), (4, Some(began)));

    t.work_for(mins(1));
    assert_eq!((t.again(&ada).status, in_doubt_since()), (InvitationStatus::Sent, None));
}

#[test]
fn a_doubt_of_dead_workers_began_with_the_first_of_them() {
    let t = House::new();
    let ada = t.invited("ada");
    t.wait(mins(1));
    let began = t.now();
    for _ in 0..2 {
        t.stytch.next(Call::SendInvite, Fault::CallLost);
        let _dies = t.begin();
        t.rescue();
        t.wait(secs(10));
    }
    t.stytch.refuses(Call::FindUser, 1, &errors::unreachable());

    t.work();

    let waiting = t.again(&ada);
    assert_eq!((waiting.attempts, waiting.in_doubt_since), (2, Some(began)));
}

#[test]
fn what_was_lost_before_it_was_asked_for_again_begins_no_doubt() {
    let t = House::new();
    let ada = t.left_by_a_dead_worker("ada", Fault::CallLost);
    t.wait(mins(1));
    let job = t.job_id::<SendInvitation>();
    t.cancel(job).unwrap();
    t.retry(job).unwrap();
    t.wait(mins(1));
    let began = t.now();
    t.stytch.next(Call::SendInvite, Fault::CallLost);
    let _dies = t.begin();
    t.rescue();
    t.stytch.refuses(Call::FindUser, 1, &errors::unreachable());

    t.work();

    assert_eq!(t.again(&ada).in_doubt_since, Some(began));
}

#[test]
fn a_call_that_is_known_to_have_done_nothing_ends_the_doubt() {
    let t = House::new();
    let ada = t.invited("ada");
    t.stytch.next(Call::SendInvite, Fault::CallLost);
    t.stytch.refuses(Call::SendInvite, 1, &errors::internal());
    t.work_for(secs(3));
    let waiting = t.again(&ada);
    assert_eq!((waiting.attempts, waiting.in_doubt_since), (2, None));
    t.stytch.next(Call::SendInvite, Fault::CallLost);

    t.wait(secs(10));
    t.work();

    assert_eq!(t.again(&ada).in_doubt_since, Some(t.now()), "another begins");
}

#[test]
fn a_doubt_that_follows_a_decided_one_begins_with_its_own_call() {
    let t = House::new();
    let ada = t.invited("ada");
    t.stytch.next(Call::SendInvite, Fault::CallLost);
    t.work();
    t.stytch.next(Call::SendInvite, Fault::CallLost);
    t.wait(secs(10));

    t.work();

    assert_eq!(t.again(&ada).in_doubt_since, Some(t.now()));
    assert_eq!(t.timeline(&ada)[3].detail["earlier_call"], "not_sent");
}
