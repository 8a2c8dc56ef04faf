//! Reconciliation: differences are reported, and repaired where that harms nobody.

use guestlist_domain::flows::{ReconcileError, ReconcileOptions, RedeemError, reconcile};
use guestlist_domain::{
    Actor, Comparison, Drift, EndReason, EventKind, InvitationStatus, RepairAction, Role,
    UserStatus,
};

use crate::support::{Call, Fault, Simulation, at, block_on, errors, hours, mins, secs};

const DRY_RUN: ReconcileOptions = ReconcileOptions { dry_run: true, force: false };
pub(crate) const CAUTIOUS: ReconcileOptions = ReconcileOptions { dry_run: false, force: false };
pub(crate) const FORCED: ReconcileOptions = ReconcileOptions { dry_run: false, force: true };

/// A gate that permits every call.
struct Always;

#[async_trait::async_trait]
impl guestlist_domain::CallGate for Always {
    async fn may_call(&self) -> bool {
        true
    }
}

impl Simulation {
    pub(crate) fn reconcile(&self, options: ReconcileOptions) -> Comparison {
        self.try_reconcile(options).expect("it came to its end")
    }

    pub(crate) fn try_reconcile(
        &self,
        options: ReconcileOptions,
    ) -> Result<Comparison, ReconcileError> {
        block_on(reconcile(&self.ctx, options, &Actor::Cli, &Always))
    }

    /// Deletes an identity in the provider's dashboard.
    pub(crate) fn leaves_stytch(&self, name: &str) {
        let id = self.provider.state().find(&at(name)).expect("known there").id;
        self.provider.state().delete_user(&id);
    }

    /// Adds 20 users, so that one of them is at most 5 % of all.
    pub(crate) fn add_twenty_users(&self) {
        for n in 0..20 {
            self.add(&format!("guest{n}"), Role::Member).expect("added");
        }
    }

    /// Unlinks a user's identity.
    pub(crate) fn loses_its_link(&self, name: &str) {
        let id = self.expect_user(name).id;
        self.store.tables().users.get_mut(&id).expect("a row").provider_user_id = None;
    }
}

pub(crate) fn found(comparison: &Comparison) -> Vec<(Drift, u64, u64)> {
    let counts = comparison.record.counts.iter();
    let counts = counts.map(|(kind, count)| (*kind, count.found, count.repaired));
    counts.filter(|(_, found, _)| *found > 0).collect()
}

#[test]
fn without_differences_nothing_is_reported_or_repaired() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.sent("bob");
    t.invited("cleo");
    t.add("dan", Role::Member).unwrap();
    t.admin("eve");
    let before = t.store.tables().clone();

    let comparison = t.reconcile(CAUTIOUS);

    assert_eq!(found(&comparison), []);
    assert_eq!((comparison.record.users, comparison.record.identities), (5, 4));
    assert_eq!(comparison.record.repair_action, RepairAction::Repaired);
    assert_eq!(t.store.tables().users, before.users);
    let recorded = t.store.tables().events.values().last().cloned().unwrap();
    assert_eq!((recorded.kind, recorded.actor), (EventKind::Reconciled, Actor::Cli));
    assert_eq!(t.store.tables().reconciliations, [comparison.record]);
}

#[test]
fn a_user_whose_identity_is_gone_is_logged_out_and_can_return() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    t.add_twenty_users();
    t.leaves_stytch("ada");
    let before = t.expect_user("ada");

    let looked = t.reconcile(DRY_RUN);
    assert_eq!(found(&looked), [(Drift::Gone, 1, 0)]);
    assert_eq!(looked.examples[0].email, Some(at("ada")));
    assert_eq!(t.expect_user("ada"), before, "a dry run changes nothing");

    assert_eq!(found(&t.reconcile(CAUTIOUS)), [(Drift::Gone, 1, 1)]);
    let user = t.expect_user("ada");
    assert_eq!((user.status, user.provider_user_id.as_deref()), (UserStatus::Active, None));
    let (_, reason) = t.sessions(&user)[0].ended.expect("ended");
    assert_eq!(reason, EndReason::GoneAtProvider);
    assert!(t.return_with(&ada.tokens).is_err());
    assert_eq!(t.event_kinds_of(&user).last(), Some(&"identity_forgotten"));

    assert_eq!(found(&t.reconcile(CAUTIOUS)), [], "a second time there is nothing to do");
    t.wait(mins(1));
    t.log_in("ada").unwrap();
    t.work();
    let again = t.redeem(&t.link("ada")).expect("comes back");
    assert_eq!(again.user.id, user.id);
    assert_ne!(again.user.provider_user_id, ada.user.provider_user_id);
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
}

#[test]
fn an_invited_user_whose_identity_is_gone_keeps_the_invitation() {
    let t = Simulation::new();
    t.add_twenty_users();
    let invitation = t.sent("ada");
    t.leaves_stytch("ada");

    assert_eq!(found(&t.reconcile(CAUTIOUS)), [(Drift::Gone, 1, 1)]);
    assert_eq!(t.again(&invitation).status, InvitationStatus::Sent);
    assert_eq!(t.inbox("ada").len(), 1, "nobody is mailed who did not ask");
    assert!(matches!(t.redeem(&t.link("ada")), Err(RedeemError::LinkInvalid)));

    t.wait(mins(1));
    t.log_in("ada").unwrap();
    t.work();
    assert_eq!(t.redeem(&t.link("ada")).unwrap().user.status, UserStatus::Active);
}

#[test]
fn a_suspended_user_whose_identity_is_gone_stays_suspended() {
    let t = Simulation::new();
    t.add_twenty_users();
    t.logged_in("ada");
    t.suspend("ada");
    t.leaves_stytch("ada");
    assert_eq!(found(&t.reconcile(CAUTIOUS)), [(Drift::Gone, 1, 1)]);
    let user = t.expect_user("ada");
    assert_eq!((user.status, user.provider_user_id), (UserStatus::Suspended, None));
}

#[test]
fn a_deleting_user_is_not_repaired() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    t.remove(ada.user.id).unwrap();
    t.provider.state().users[0].email = at("ada.lovelace");
    assert_eq!(found(&t.reconcile(FORCED)), []);
    t.provider.state().users[0].email = at("ada");
    t.loses_its_link("ada");
    assert_eq!(found(&t.reconcile(FORCED)), [], "nor is an identity noted that is to go");
    t.leaves_stytch("ada");
    assert_eq!(found(&t.reconcile(FORCED)), []);
    t.work();
    assert_eq!(t.user("ada"), None);
}

#[test]
fn an_identity_of_a_sole_owner_is_linked() {
    let t = Simulation::new();
    t.add_twenty_users();
    let ada = t.logged_in("ada");
    t.loses_its_link("ada");
    assert_eq!(found(&t.reconcile(DRY_RUN)), [(Drift::Unlinked, 1, 0)]);
    assert_eq!(found(&t.reconcile(CAUTIOUS)), [(Drift::Unlinked, 1, 1)]);
    let user = t.expect_user("ada");
    assert_eq!(user.provider_user_id, ada.user.provider_user_id);
    assert_eq!(t.event_kinds_of(&user).last(), Some(&"identity_linked"));
    assert!(t.return_with(&ada.tokens).is_ok(), "and nobody is logged out");
}

/// The owner of the other address could log in as Ada.
#[test]
fn an_identity_with_other_addresses_or_credentials_is_not_linked() {
    let t = Simulation::new();
    t.add_twenty_users();
    t.provider.state().create_foreign(&at("guest1"), None);
    t.provider.state().create_foreign(&at("guest2"), None);
    t.provider.state().create_foreign(&at("guest3"), None);
    for known in &mut t.provider.state().users {
        match known.email.as_str() {
            "guest1@example.com" => known.further_emails.push(at("mallory")),
            "guest2@example.com" => known.has_password = true,
            _ => {}
        }
    }
    assert_eq!(found(&t.reconcile(FORCED)), [(Drift::Unlinked, 1, 1), (Drift::Contested, 2, 0)]);
    assert_eq!(t.expect_user("guest1").provider_user_id, None);
    assert_eq!(t.expect_user("guest2").provider_user_id, None);
    assert!(t.expect_user("guest3").provider_user_id.is_some());
}

#[test]
fn an_address_moved_to_another_identity_is_reported_only() {
    let t = Simulation::new();
    t.add_twenty_users();
    let ada = t.logged_in("ada");
    t.provider.state().users[0].email = at("ada.lovelace");
    t.provider.state().create_foreign(&at("ada"), None);
    let before = t.expect_user("ada");
    let comparison = t.reconcile(FORCED);
    assert_eq!(found(&comparison), [(Drift::Contested, 1, 0), (Drift::Address, 1, 0)]);
    let moved = comparison.examples.iter().find(|one| one.kind == Drift::Address).unwrap();
    assert_eq!(moved.provider_emails, [at("ada.lovelace")]);
    assert_eq!(t.expect_user("ada"), before);
    assert!(t.return_with(&ada.tokens).is_ok());
}

#[test]
fn a_further_address_of_an_identity_is_no_difference() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.provider.state().users[0].further_emails.push(at("ada.lovelace"));
    assert_eq!(found(&t.reconcile(FORCED)), []);
}

#[test]
fn orphans_are_reported_and_never_deleted() {
    let t = Simulation::new();
    t.add_twenty_users();
    for n in 0..30 {
        t.provider.state().create_foreign(&at(&format!("stranger{n}")), None);
    }
    let comparison = t.reconcile(FORCED);
    assert_eq!(found(&comparison), [(Drift::Orphan, 30, 0)]);
    assert_eq!(comparison.examples.len(), 20, "the first of them");
    assert_eq!(t.provider.state().users.len(), 30);
}

#[test]
fn configured_administrators_are_no_orphans_before_the_first_login() {
    let t = Simulation::with_policy(|rules| rules.admin_emails = vec![at("boss")]);
    t.log_in("boss").unwrap();
    t.work();
    assert_eq!(t.provider.state().users.len(), 1);
    assert_eq!(found(&t.reconcile(FORCED)), []);
}

#[test]
fn a_removed_users_identity_is_deleted() {
    let t = Simulation::new();
    t.add_twenty_users();
    let ada = t.logged_in("ada");
    let identity = t.provider.state().users[0].clone();
    t.remove(ada.user.id).unwrap();
    t.work();
    // A backup of the provider is restored.
    t.provider.state().users.push(identity);
    assert_eq!(found(&t.reconcile(DRY_RUN)), [(Drift::Removed, 1, 0)]);
    assert_eq!(t.provider.state().users.len(), 1);
    assert_eq!(found(&t.reconcile(CAUTIOUS)), [(Drift::Removed, 1, 1)]);
    assert_eq!(t.provider.state().users, []);
    assert_eq!(t.event_kinds_of(&ada.user).last(), Some(&"identity_deleted"));
}

#[test]
fn the_identity_of_a_reinvited_user_is_not_deleted() {
    let t = Simulation::new();
    t.add_twenty_users();
    let ada = t.logged_in("ada");
    let identity = t.provider.state().users[0].clone();
    t.remove(ada.user.id).unwrap();
    t.work();
    t.provider.state().users.push(identity);
    t.wait(mins(1));
    let simulation = t.clone();
    t.provider.before_effect(Call::Look, move || drop(simulation.invited("ada")));
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
    assert_eq!(t.provider.state().users.len(), 1);
    assert_eq!(t.provider.call_count(Call::DeleteUser), 1, "the removal's own");
}

#[test]
fn an_invited_user_with_an_active_identity_is_reported_only() {
    let t = Simulation::new();
    let invitation = t.sent("ada");
    t.provider.state().users[0].is_active = true;
    assert_eq!(found(&t.reconcile(FORCED)), [(Drift::Status, 1, 0)]);
    assert_eq!(t.status("ada"), Some(UserStatus::Invited));
    assert_eq!(t.again(&invitation).status, InvitationStatus::Sent);
}

#[test]
fn an_older_identity_may_be_active() {
    let t = Simulation::new();
    t.provider.state().create_foreign(&at("ada"), Some(t.now() - hours(1)));
    t.provider.state().users[0].is_active = true;
    let invitation = t.invited("ada");
    t.work_for(mins(1));
    assert_eq!(t.again(&invitation).status, InvitationStatus::Sent);
    assert_eq!(found(&t.reconcile(FORCED)), []);
}

#[test]
fn repairs_of_more_than_one_in_twenty_need_force() {
    let t = Simulation::new();
    t.add_twenty_users();
    t.logged_in("ada");
    t.logged_in("bob");
    t.leaves_stytch("ada");
    t.leaves_stytch("bob");
    let before = t.store.tables().users.clone();

    let refused = t.reconcile(CAUTIOUS);
    assert_eq!(refused.record.repair_action, RepairAction::Refused);
    assert_eq!(found(&refused), [(Drift::Gone, 2, 0)]);
    assert_eq!(t.store.tables().users, before);
    assert_eq!(t.store.tables().events.values().last().unwrap().kind, EventKind::Reconciled);
    let looked = t.reconcile(DRY_RUN);
    assert_eq!(
        (looked.record.repair_action, found(&looked)),
        (RepairAction::DryRun, found(&refused))
    );
    assert_eq!(found(&t.reconcile(FORCED)), [(Drift::Gone, 2, 2)]);
}

#[test]
fn repairs_of_exactly_one_in_twenty_need_no_force() {
    let t = Simulation::new();
    for n in 0..19 {
        t.add(&format!("guest{n}"), Role::Member).unwrap();
    }
    t.logged_in("ada");
    t.leaves_stytch("ada");
    assert_eq!(found(&t.reconcile(CAUTIOUS)), [(Drift::Gone, 1, 1)]);
}

#[test]
fn an_incomplete_list_changes_nothing() {
    let t = Simulation::new();
    t.add_twenty_users();
    for name in ["ada", "bob", "cleo", "dan"] {
        t.logged_in(name);
    }
    t.leaves_stytch("bob");
    let before = t.store.tables().clone();
    // The first page loads, the second never does.
    let simulation = t.clone();
    t.provider.before_answer(Call::List, move || simulation.provider.fail_all(errors::internal()));

    let broken = t.try_reconcile(FORCED).unwrap_err();

    assert!(matches!(broken, ReconcileError::Listing(_)), "{broken}");
    assert_eq!(t.provider.call_count(Call::List), 6, "one page, and five tries of the next");
    assert_eq!(t.store.tables().users, before.users);
    assert_eq!(t.store.tables().events.len(), before.events.len());
    assert_eq!(t.store.tables().reconciliations, []);
}

#[test]
fn a_failed_page_is_retried() {
    let t = Simulation::new();
    t.add_twenty_users();
    t.logged_in("ada");
    t.provider.next(Call::List, Fault::CallLost);
    t.provider.refuses(Call::List, 3, &errors::rate_limited(Some(secs(3))));
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
    t.provider.refuses(Call::List, 1, &errors::misconfigured());
    assert!(t.try_reconcile(CAUTIOUS).is_err(), "but not where that can't help");
    assert_eq!(t.provider.call_count(Call::List), 6);
}

#[test]
fn an_identity_missing_from_the_list_is_checked_before_it_counts_as_gone() {
    let t = Simulation::new();
    t.add_twenty_users();
    for name in ["ada", "bob", "cleo", "dan"] {
        t.logged_in(name);
    }
    // Ada is deleted after the first page, so Cleo moves up to it and is on no page.
    let simulation = t.clone();
    t.provider.before_answer(Call::List, move || simulation.leaves_stytch("ada"));
    let cleo = t.expect_user("cleo");
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
    assert_eq!(t.expect_user("cleo"), cleo);
    assert_eq!(t.provider.call_count(Call::Look), 1);
}
