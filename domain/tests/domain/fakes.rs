//! Tests of the fake worker: it claims jobs in order, and settles those whose lease it holds.

use guestlist_domain::jobs::{DeleteIdentity, SendInvitation, SendLoginLink};
use guestlist_domain::{Job, Verdict};

use crate::support::{Call, Interruption, JobState, Simulation, errors, secs};

#[test]
fn jobs_are_claimed_by_priority_and_age() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.remove(ada.id).unwrap();
    t.invited("bob");
    t.invited("eve");
    t.log_in("bob").unwrap();

    let order: Vec<_> = std::iter::from_fn(|| t.claim().map(|job| job.kind)).collect();

    let expected =
        [SendLoginLink::KIND, SendInvitation::KIND, SendInvitation::KIND, DeleteIdentity::KIND];
    assert_eq!(order, expected);
}

#[test]
fn a_job_that_is_not_due_is_not_claimed() {
    let t = Simulation::new();
    t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::rate_limited(Some(secs(60))));
    t.work();
    t.wait(secs(59));
    assert!(t.claim().is_none());
    t.wait(secs(31));
    assert!(t.claim().is_some());
}

#[test]
fn a_job_is_claimed_by_one_worker() {
    let t = Simulation::new();
    t.invited("ada");
    assert!(t.claim().is_some());
    assert!(t.claim().is_none());
    t.rescue();
    assert!(t.claim().is_some());
}

#[test]
fn a_worker_that_lost_the_lease_writes_nothing() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let late = t.perform_next();
    t.rescue();
    assert_eq!(t.settle(&late).unwrap(), Verdict::LeaseLost, "no worker holds it");
    let claimed = t.claim().unwrap();
    assert_eq!(t.settle(&late).unwrap(), Verdict::LeaseLost, "another worker holds it");
    assert_eq!(t.again(&ada), ada);

    let current = t.perform(claimed, Interruption::None);
    assert_eq!(t.settle(&current).unwrap(), Verdict::Applied);
    assert_eq!(t.settle(&current).unwrap(), Verdict::LeaseLost, "it is done");
    assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
}
