//! The periodic sweep.

use std::time::Duration;

use guestlist_domain::jobs::{Sweep, schedule_sweep};
use guestlist_domain::{EventKind, Invitation, InvitationId, InvitationStatus, Job, StoreError};

use crate::support::{Interruption, JobState, Simulation, at, block_on, days, hours, mins, secs};

#[test]
fn overdue_invitations_expire_with_an_event() {
    let t = Simulation::new();
    let sent = t.sent("ada");
    let queued = t.invited("bob");
    t.wait(hours(1));
    let later = t.invited("eve");
    t.wait(days(7).saturating_sub(hours(1)));

    t.sweep();

    assert_eq!(t.again(&sent).status, InvitationStatus::Expired);
    assert_eq!(t.event_kinds(&sent), ["requested", "attempted", "sent", "expired"]);
    let expired = t.again(&queued);
    assert_eq!((expired.status, expired.next_attempt_at), (InvitationStatus::Expired, None));
    assert!(t.again(&later).status.is_open(), "an hour too early");
}

#[test]
fn a_second_sweep_finds_nothing() {
    let t = Simulation::new();
    let ada = t.ended("ada", InvitationStatus::Expired);
    t.wait(mins(1));
    t.sweep();
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "sent", "expired"]);
}

#[test]
fn more_invitations_than_a_batch_all_expire() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    for n in 0..1_000 {
        let id = InvitationId(t.ctx.ids.next());
        let guest = Invitation { id, email: at(&format!("guest{n}")), ..ada.clone() };
        t.store.tables().invitations.insert(id, guest);
    }
    t.wait(days(7));

    t.sweep();

    let tables = t.store.tables();
    let mut all = tables.invitations.values();
    assert!(all.all(|invitation| invitation.status == InvitationStatus::Expired));
    let expired = tables.events.values().filter(|event| event.kind == EventKind::Expired);
    assert_eq!(expired.count(), 1_001, "each has its own event");
}

#[test]
fn a_conflicting_invitation_does_not_block_the_others() {
    let t = Simulation::new();
    let (ada, bob) = (t.sent("ada"), t.sent("bob"));
    t.wait(days(7));
    let other = t.clone();
    block_on(schedule_sweep(&t.ctx, mins(1))).unwrap();
    t.store.run_before_next_apply(move || {
        other.resend(ada.id).unwrap();
    });

    t.step();

    assert_eq!(t.again(&bob).status, InvitationStatus::Expired);
    let resent = t.again(&ada);
    assert_eq!((resent.status, resent.delivery), (InvitationStatus::Queued, 2));
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "sent", "resent"]);
}

#[test]
fn sessions_are_deleted_after_they_expire() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    t.wait(days(7).saturating_sub(secs(1)));
    t.sweep();
    assert_eq!(t.sessions(&ada.user).len(), 1);
    t.wait(mins(2));
    t.sweep();
    assert!(t.sessions(&ada.user).is_empty());
}

#[test]
fn used_links_are_kept_for_eight_days() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.wait(days(8));
    t.sweep();
    assert_eq!(t.store.tables().used_links.len(), 1);
    t.wait(mins(2));
    t.sweep();
    assert!(t.store.tables().used_links.is_empty());
}

#[test]
fn login_requests_are_kept_for_a_day() {
    let t = Simulation::new();
    t.log_in("ada").unwrap();
    t.wait(hours(24));
    t.sweep();
    assert_eq!(t.store.tables().login_requests.len(), 1);
    t.wait(mins(2));
    t.sweep();
    assert!(t.store.tables().login_requests.is_empty());
}

#[test]
fn one_worker_sweeps_per_interval() {
    let t = Simulation::new();
    let schedule = |every| block_on(schedule_sweep(&t.ctx, every)).unwrap();
    assert!(schedule(mins(1)));
    assert!(!schedule(mins(1)));
    t.wait(secs(59));
    assert!(!schedule(mins(1)));
    t.wait(secs(1));
    assert!(schedule(mins(1)));
    assert_eq!(t.jobs::<Sweep>().len(), 2);
    assert!(schedule(Duration::ZERO), "the shortest interval is a second");
}

#[test]
fn a_crashed_sweep_is_retried_and_then_left_to_the_next() {
    let t = Simulation::new();
    t.sent("ada");
    t.wait(days(7));
    block_on(schedule_sweep(&t.ctx, mins(1))).unwrap();
    t.store.lose_next_applies(1);
    let failed = t.perform_next();
    t.settle(&failed).unwrap();
    let job = t.job::<Sweep>();
    assert_eq!((job.state, job.last_error.unwrap().code.as_str()), (JobState::Retrying, "store"));
    assert_eq!(job.job.max_attempts, Sweep::RETRY.max_attempts);

    for _ in 0..4 {
        t.wait(mins(2));
        let broken = t.perform(t.claim().unwrap(), Interruption::Breaks);
        t.settle(&broken).unwrap();
    }
    assert_eq!(t.job::<Sweep>().state, JobState::Dead);

    t.sweep();
    assert_eq!(t.invitations("ada")[0].status, InvitationStatus::Expired);
}

#[test]
fn without_a_database_nothing_is_scheduled() {
    let t = Simulation::new();
    t.store.lose_next_applies(1);
    let answer = block_on(schedule_sweep(&t.ctx, mins(1)));
    assert!(matches!(answer, Err(StoreError::Unavailable(_))));
}
