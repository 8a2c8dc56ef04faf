//! Flows with many conflicts.

use guestlist_domain::flows::InvitationError;
use guestlist_domain::{InvitationStatus, StoreError};

use crate::support::Simulation;

/// Conflicts before the flow succeeds.
fn resend_overtaken(times: usize) -> (Simulation, Result<(), InvitationError>) {
    let t = Simulation::new();
    let ada = t.sent("ada");
    for _ in 0..times {
        let other = t.clone();
        t.store.run_before_next_apply(move || {
            let mut tables = other.store.tables();
            tables.invitations.get_mut(&ada.id).unwrap().version += 1;
        });
    }
    let answer = t.resend(ada.id).map(drop);
    (t, answer)
}

#[test]
fn a_flow_succeeds_after_many_conflicts() {
    let (t, answer) = resend_overtaken(8);
    assert!(answer.is_ok(), "{answer:?}");
    let ada = &t.invitations("ada")[0];
    assert_eq!((ada.status, ada.delivery), (InvitationStatus::Queued, 2));
    assert_eq!(t.event_kinds(ada), ["requested", "attempted", "sent", "resent"]);
}

#[test]
fn a_flow_with_endless_conflicts_reports_a_busy_store_and_writes_nothing() {
    let (t, answer) = resend_overtaken(100);
    assert!(
        matches!(answer, Err(InvitationError::Store(StoreError::Unavailable(_)))),
        "{answer:?}"
    );
    let ada = &t.invitations("ada")[0];
    assert_eq!((ada.status, ada.delivery), (InvitationStatus::Sent, 1));
    assert_eq!(t.event_kinds(ada), ["requested", "attempted", "sent"]);
}
