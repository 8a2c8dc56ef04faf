//! Scheduled reconciliations: when they run, and what becomes of their jobs.

use guestlist_domain::jobs::{Reconcile, schedule_reconciliation};
use guestlist_domain::{Actor, Drift, EventKind, Job, RepairAction};

use crate::support::{Call, Interruption, JobState, Simulation, block_on, days, errors, mins};

/// Schedules a reconciliation that finds Ada's identity gone.
fn schedule_repair(t: &Simulation) {
    t.logged_in("ada");
    t.wait(days(1));
    t.leaves_stytch("ada");
    block_on(schedule_reconciliation(&t.ctx, days(1))).unwrap();
}

#[test]
fn the_schedule_runs_once_per_interval_and_not_before_a_user_is_as_old() {
    let t = Simulation::new();
    let schedule = || block_on(schedule_reconciliation(&t.ctx, days(1))).unwrap();
    assert!(!schedule(), "there are no users");
    t.add_twenty_users();
    t.logged_in("ada");
    assert!(!schedule(), "no user can have drifted yet");
    t.wait(days(1));
    assert!(schedule());
    assert!(!schedule(), "the interval's key is taken");
    t.leaves_stytch("ada");
    t.work();
    assert_eq!(t.job::<Reconcile>().state, JobState::Done);
    assert_eq!(t.expect_user("ada").provider_user_id, None);
    let recorded = t.store.tables().events.values().last().cloned().unwrap();
    assert_eq!((recorded.kind, recorded.actor), (EventKind::Reconciled, Actor::System));
    t.wait(days(1));
    assert!(schedule());
}

#[test]
fn a_scheduled_run_with_too_many_repairs_is_dead() {
    let t = Simulation::new();
    schedule_repair(&t);
    t.work();
    let job = t.job::<Reconcile>();
    assert_eq!(job.state, JobState::Dead);
    assert!(t.expect_user("ada").provider_user_id.is_some());
    let record = t.store.tables().reconciliations.last().cloned().unwrap();
    assert_eq!(
        (record.repair_action, record.count(Drift::Gone).left()),
        (RepairAction::Refused, 1)
    );
}

#[test]
fn a_scheduled_run_waits_during_an_outage() {
    let t = Simulation::new();
    t.add_twenty_users();
    schedule_repair(&t);
    t.provider.fail_all(errors::unreachable());
    t.work();
    assert_eq!(t.job::<Reconcile>().state, JobState::Retrying);
    assert!(t.expect_user("ada").provider_user_id.is_some());
    t.provider.recover();
    t.work_for(mins(2));
    assert_eq!(t.job::<Reconcile>().state, JobState::Done);
    assert_eq!(t.expect_user("ada").provider_user_id, None);
}

#[test]
fn a_worker_that_lost_its_lease_repairs_nothing() {
    let t = Simulation::new();
    t.add_twenty_users();
    schedule_repair(&t);
    let claimed = t.claim().expect("the comparison");
    assert_eq!(claimed.kind, Reconcile::KIND);
    let late = t.perform(claimed, Interruption::LeaseRanOut);
    t.settle(&late).unwrap();
    assert!(t.expect_user("ada").provider_user_id.is_some());
    assert_eq!(t.provider.call_count(Call::List), 0);
    t.work();
    assert_eq!(t.provider.call_count(Call::List), 0, "it does not run in circles");
    t.work_for(mins(1));
    assert_eq!(t.expect_user("ada").provider_user_id, None);
}
