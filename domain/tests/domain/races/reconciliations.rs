//! Users who change while a reconciliation runs.

use guestlist_domain::flows::ReconcileError;
use guestlist_domain::{Drift, InvitationStatus, UserStatus};

use crate::flows::operations::reconcile::{CAUTIOUS, FORCED, found};
use crate::support::{Call, Fault, Simulation, errors, mins};

fn return_with(simulation: &Simulation) {
    simulation.wait(mins(1));
    simulation.log_in("ada").unwrap();
    simulation.work();
    simulation.redeem(&simulation.link("ada")).unwrap();
}

fn is_in(simulation: &Simulation) {
    let user = simulation.expect_user("ada");
    assert!(user.provider_user_id.is_some());
    assert!(simulation.sessions(&user).last().unwrap().ended.is_none());
}

#[test]
fn a_user_linked_while_the_list_is_read_is_no_candidate() {
    let t = Simulation::new();
    t.add_twenty_users();
    t.logged_in("ada");
    t.logged_in("bob");
    t.logged_in("cleo");
    let simulation = t.clone();
    t.provider.before_answer(Call::List, move || {
        // At the position of an identity that was listed before.
        simulation.invited("dan");
        simulation.work();
        simulation.provider.state().users.swap(0, 3);
    });
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
    assert_eq!(t.provider.call_count(Call::Look), 0, "Dan was on no page, and is not asked about");
}

#[test]
fn a_user_who_logs_in_before_the_repair_keeps_the_session() {
    let t = Simulation::new();
    t.add_twenty_users();
    t.logged_in("ada");
    t.leaves_stytch("ada");
    let simulation = t.clone();
    t.provider.before_answer(Call::Look, move || return_with(&simulation));
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
    is_in(&t);
}

#[test]
fn a_user_who_logs_in_during_the_repair_keeps_the_session() {
    let t = Simulation::new();
    t.add_twenty_users();
    t.logged_in("ada");
    t.leaves_stytch("ada");
    let simulation = t.clone();
    t.store.run_before_next_apply(move || return_with(&simulation));
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
    is_in(&t);
}

#[test]
fn a_user_removed_before_the_repair_is_not_repaired() {
    let t = Simulation::new();
    t.add_twenty_users();
    let ada = t.logged_in("ada");
    t.leaves_stytch("ada");
    let simulation = t.clone();
    t.store.run_before_next_apply(move || drop(simulation.remove(ada.user.id).unwrap()));
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));
    t.work();
    assert_eq!(t.user("ada"), None);
}

#[test]
fn a_user_linked_before_the_repair_is_unchanged() {
    let t = Simulation::new();
    t.add_twenty_users();
    t.sent("ada");
    t.loses_its_link("ada");
    let simulation = t.clone();
    t.store
        .run_before_next_apply(move || drop(simulation.redeem(&simulation.link("ada")).unwrap()));
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
    let user = t.expect_user("ada");
    assert_eq!(user.status, UserStatus::Active);
    assert!(!t.event_kinds_of(&user).contains(&"identity_linked"));
}

#[test]
fn a_queued_invitation_links_its_identity_itself() {
    let t = Simulation::new();
    t.add_twenty_users();
    let invitation = t.lost_delivery("ada", Fault::AnswerLost);
    assert_eq!(t.provider.state().users.len(), 1);
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
    assert_eq!(t.expect_user("ada").provider_user_id, None);
    t.work_for(mins(2));
    assert_eq!(t.again(&invitation).status, InvitationStatus::Sent);
    assert_eq!(t.inbox("ada").len(), 1, "and is not sent twice for our sake");
}

#[test]
fn two_concurrent_reconciliations_are_harmless() {
    let t = Simulation::new();
    t.add_twenty_users();
    t.logged_in("ada");
    t.leaves_stytch("ada");
    let simulation = t.clone();
    t.provider.before_answer(Call::Look, move || {
        assert_eq!(found(&simulation.reconcile(CAUTIOUS)), [(Drift::Gone, 1, 1)]);
    });
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
    let forgotten = t.event_kinds_of(&t.expect_user("ada"));
    assert_eq!(forgotten.iter().filter(|kind| **kind == "identity_forgotten").count(), 1);
}

#[test]
fn repairs_made_before_an_outage_are_kept() {
    let t = Simulation::new();
    t.add_twenty_users();
    for name in ["ada", "bob"] {
        t.logged_in(name);
        t.leaves_stytch(name);
    }
    let simulation = t.clone();
    t.store.run_before_next_apply(move || simulation.provider.fail_all(errors::internal()));
    let broken = t.try_reconcile(FORCED).unwrap_err();
    assert!(matches!(broken, ReconcileError::Repairing { repaired: 1, .. }), "{broken}");
    assert_eq!(t.expect_user("ada").provider_user_id, None);
    assert!(t.expect_user("bob").provider_user_id.is_some());
    t.provider.recover();
    assert_eq!(found(&t.reconcile(FORCED)), [(Drift::Gone, 1, 1)]);
}

#[test]
fn a_rejected_check_does_not_block_other_repairs() {
    let t = Simulation::new();
    t.add_twenty_users();
    for name in ["ada", "bob"] {
        t.logged_in(name);
        t.leaves_stytch(name);
    }
    t.provider.refuses(Call::Look, 1, &errors::rejected("invalid_user_id"));
    assert_eq!(found(&t.reconcile(FORCED)), [(Drift::Gone, 2, 1)]);
}
