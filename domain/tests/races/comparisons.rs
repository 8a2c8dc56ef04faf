//! While our users and Stytch's are compared, people come and go.

use guestlist_domain::flows::ReconcileError;
use guestlist_domain::{Drift, InvitationStatus, UserStatus};

use crate::flows::reconciling::{CAUTIOUS, FORCED, found};
use crate::support::{Call, Fault, House, errors, mins};

fn comes_back(house: &House) {
    house.wait(mins(1));
    house.log_in("ada").unwrap();
    house.work();
    house.press(&house.link("ada")).unwrap();
}

fn is_in(house: &House) {
    let user = house.expect_user("ada");
    assert!(user.provider_user_id.is_some());
    assert!(house.sessions(&user).last().unwrap().ended.is_none());
}

#[test]
fn who_got_an_identity_while_the_list_was_read_is_not_suspected() {
    let t = House::new();
    t.with_a_crowd();
    t.came_in("ada");
    t.came_in("bob");
    t.came_in("cleo");
    let house = t.clone();
    t.stytch.while_on_its_way_back(Call::List, move || {
        // At the place of somebody who has been listed.
        house.invited("dan");
        house.work();
        house.stytch.knows().users.swap(0, 3);
    });
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
    assert_eq!(t.stytch.was_asked(Call::Look), 0, "Dan was on no page, and is not asked about");
}

#[test]
fn who_came_back_between_the_list_and_the_repair_stays_in() {
    let t = House::new();
    t.with_a_crowd();
    t.came_in("ada");
    t.leaves_stytch("ada");
    let house = t.clone();
    t.stytch.while_on_its_way_back(Call::Look, move || comes_back(&house));
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
    is_in(&t);
}

#[test]
fn who_comes_back_while_the_repair_is_written_stays_in() {
    let t = House::new();
    t.with_a_crowd();
    t.came_in("ada");
    t.leaves_stytch("ada");
    let house = t.clone();
    t.store.before_next_apply(move || comes_back(&house));
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
    is_in(&t);
}

#[test]
fn who_is_removed_between_the_list_and_the_repair_is_left_to_their_removal() {
    let t = House::new();
    t.with_a_crowd();
    let ada = t.came_in("ada");
    t.leaves_stytch("ada");
    let house = t.clone();
    t.store.before_next_apply(move || drop(house.remove(ada.user.id).unwrap()));
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));
    t.work();
    assert_eq!(t.user("ada"), None);
}

#[test]
fn who_came_in_between_the_list_and_the_repair_is_left_as_they_are() {
    let t = House::new();
    t.with_a_crowd();
    t.sent("ada");
    t.loses_its_link("ada");
    let house = t.clone();
    t.store.before_next_apply(move || drop(house.press(&house.link("ada")).unwrap()));
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
    let user = t.expect_user("ada");
    assert_eq!(user.status, UserStatus::Active);
    assert!(!t.story_of(&user).contains(&"identity_adopted"));
}

#[test]
fn an_invitation_on_its_way_tells_of_its_identity_itself() {
    let t = House::new();
    t.with_a_crowd();
    let invitation = t.left_by_a_dead_worker("ada", Fault::AnswerLost);
    assert_eq!(t.stytch.knows().users.len(), 1);
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
    assert_eq!(t.expect_user("ada").provider_user_id, None);
    t.work_for(mins(2));
    assert_eq!(t.again(&invitation).status, InvitationStatus::Sent);
    assert_eq!(t.inbox("ada").len(), 1, "and is not sent twice for our sake");
}

#[test]
fn two_at_once_do_no_harm() {
    let t = House::new();
    t.with_a_crowd();
    t.came_in("ada");
    t.leaves_stytch("ada");
    let house = t.clone();
    t.stytch.while_on_its_way_back(Call::Look, move || {
        assert_eq!(found(&house.reconcile(CAUTIOUS)), [(Drift::Gone, 1, 1)]);
    });
    assert_eq!(found(&t.reconcile(CAUTIOUS)), []);
    let forgotten = t.story_of(&t.expect_user("ada"));
    assert_eq!(forgotten.iter().filter(|kind| **kind == "identity_forgotten").count(), 1);
}

#[test]
fn where_stytch_falls_silent_over_the_repairs_those_made_stand() {
    let t = House::new();
    t.with_a_crowd();
    for who in ["ada", "bob"] {
        t.came_in(who);
        t.leaves_stytch(who);
    }
    let house = t.clone();
    t.store.before_next_apply(move || house.stytch.is_down(errors::internal()));
    let broken = t.try_reconcile(FORCED).unwrap_err();
    assert!(matches!(broken, ReconcileError::Repairing { repaired: 1, .. }), "{broken}");
    assert_eq!(t.expect_user("ada").provider_user_id, None);
    assert!(t.expect_user("bob").provider_user_id.is_some());
    t.stytch.heals();
    assert_eq!(found(&t.reconcile(FORCED)), [(Drift::Gone, 1, 1)]);
}

#[test]
fn one_whom_stytch_will_not_speak_of_holds_nobody_up() {
    let t = House::new();
    t.with_a_crowd();
    for who in ["ada", "bob"] {
        t.came_in(who);
        t.leaves_stytch(who);
    }
    t.stytch.refuses(Call::Look, 1, &errors::rejected("invalid_user_id"));
    assert_eq!(found(&t.reconcile(FORCED)), [(Drift::Gone, 2, 1)]);
}
