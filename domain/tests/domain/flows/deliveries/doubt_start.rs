//! The start of a doubt, which decides whether an identity was created by our call.

use guestlist_domain::jobs::SendInvitation;
use guestlist_domain::{Invitation, InvitationStatus, QueueName};

use super::earlier_calls::LOST;
use crate::support::{Call, Fault, Interruption, Simulation, at, errors, hours, mins, secs};

/// Creates an invitation whose first call is made a minute later, and
/// lost; half a minute before that, another application created an identity.
fn identified_before_the_first_call(t: &Simulation, lose: impl FnOnce(&Simulation)) -> Invitation {
    t.pause(QueueName::Invitation).unwrap();
    let ada = t.invited("ada");
    t.wait(secs(30));
    t.provider.state().create_foreign(&at("ada"), Some(t.now()));
    t.wait(secs(30));
    t.resume(QueueName::Invitation).unwrap();
    t.provider.next(Call::SendInvite, Fault::CallLost);
    lose(t);
    ada
}

#[test]
fn an_identity_created_by_others_before_the_first_call_is_not_attributed_to_the_delivery() {
    type Loses = fn(&Simulation);
    let losses: [Loses; 3] = [
        |t| t.work(),
        |t| {
            let _dies = t.perform_next();
            t.rescue();
        },
        |t| {
            let broken = t.perform(t.claim().unwrap(), Interruption::BreaksLate);
            t.settle(&broken).unwrap();
        },
    ];
    for (n, lose) in losses.into_iter().enumerate() {
        let t = Simulation::new();
        let ada = identified_before_the_first_call(&t, lose);

        t.work_for(mins(1));

        let sent = t.again(&ada);
        assert_eq!((sent.status, sent.attempts), (InvitationStatus::Sent, 2), "{n}");
        assert_eq!(t.inbox("ada").len(), 1, "{n}");
        assert_eq!(
            t.event_kinds(&ada),
            [&["requested"], &LOST[..], &["attempted", "sent"]].concat()
        );
        assert_eq!(t.timeline(&ada)[3].detail["earlier_call"], "unknown");
        assert!(t.redeem(&t.link("ada")).is_ok());
    }
}

#[test]
fn a_doubt_keeps_its_start_through_snoozes_and_later_doubts() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.wait(mins(1));
    let began = t.now();
    t.provider.state().create_foreign(&at("ada"), Some(began - hours(1)));
    for _ in 0..3 {
        t.provider.next(Call::SendInvite, Fault::CallLost);
    }
    t.provider.refuses(Call::FindUser, 1, &errors::unreachable());
    t.provider.refuses(Call::FindUser, 1, &errors::rate_limited(None));
    let in_doubt_since = || t.again(&ada).in_doubt_since;

    t.work();
    assert_eq!(in_doubt_since(), Some(began), "its answer was lost");
    t.work_for(secs(12));
    assert_eq!((t.provider.call_count(Call::FindUser), in_doubt_since()), (3, Some(began)));
    assert_eq!(t.provider.call_count(Call::SendInvite), 2, "the second answer was lost too");
    t.wait(mins(5));
    let _dies = t.perform_next();
    t.rescue();
    let broken = t.perform(t.claim().unwrap(), Interruption::Breaks);
    t.settle(&broken).unwrap();
    assert_eq!((t.again(&ada).attempts, in_doubt_since()), (4, Some(began)));

    t.work_for(mins(1));
    assert_eq!((t.again(&ada).status, in_doubt_since()), (InvitationStatus::Sent, None));
}

#[test]
fn a_doubt_from_lost_workers_starts_with_the_first_of_them() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.wait(mins(1));
    let began = t.now();
    for _ in 0..2 {
        t.provider.next(Call::SendInvite, Fault::CallLost);
        let _dies = t.perform_next();
        t.rescue();
        t.wait(secs(10));
    }
    t.provider.refuses(Call::FindUser, 1, &errors::unreachable());

    t.work();

    let waiting = t.again(&ada);
    assert_eq!((waiting.attempts, waiting.in_doubt_since), (2, Some(began)));
}

#[test]
fn attempts_lost_before_a_resend_cause_no_doubt() {
    let t = Simulation::new();
    let ada = t.lost_delivery("ada", Fault::CallLost);
    t.wait(mins(1));
    let job = t.job_id::<SendInvitation>();
    t.cancel(job).unwrap();
    t.retry(job).unwrap();
    t.wait(mins(1));
    let began = t.now();
    t.provider.next(Call::SendInvite, Fault::CallLost);
    let _dies = t.perform_next();
    t.rescue();
    t.provider.refuses(Call::FindUser, 1, &errors::unreachable());

    t.work();

    assert_eq!(t.again(&ada).in_doubt_since, Some(began));
}

#[test]
fn a_call_known_to_have_had_no_effect_clears_the_doubt() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.next(Call::SendInvite, Fault::CallLost);
    t.provider.refuses(Call::SendInvite, 1, &errors::internal());
    t.work_for(secs(3));
    let waiting = t.again(&ada);
    assert_eq!((waiting.attempts, waiting.in_doubt_since), (2, None));
    t.provider.next(Call::SendInvite, Fault::CallLost);

    t.wait(secs(10));
    t.work();

    assert_eq!(t.again(&ada).in_doubt_since, Some(t.now()), "another begins");
}

#[test]
fn a_doubt_after_a_resolved_one_starts_with_its_own_call() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.next(Call::SendInvite, Fault::CallLost);
    t.work();
    t.provider.next(Call::SendInvite, Fault::CallLost);
    t.wait(secs(10));

    t.work();

    assert_eq!(t.again(&ada).in_doubt_since, Some(t.now()));
    assert_eq!(t.timeline(&ada)[3].detail["earlier_call"], "not_sent");
}
