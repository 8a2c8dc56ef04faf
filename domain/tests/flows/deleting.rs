//! Somebody is removed: here at once, at Stytch soon after, then for good.

use guestlist_domain::flows::{DeleteIdentity, RemoveUserError};
use guestlist_domain::{EndReason, InvitationStatus, UserId, UserStatus};

use crate::support::{Call, Fault, Going, House, JobState, at, errors, hours, mins, secs};

#[test]
fn a_removal_ends_the_sessions_at_once() {
    let t = House::new();
    let ada = t.came_in("ada");

    let deleting = t.remove(ada.user.id).unwrap();

    assert_eq!(deleting.status, UserStatus::Deleting);
    assert!(t.comes_back(&ada.tokens).is_err());
    assert_eq!(t.sessions(&ada.user)[0].ended, Some((t.now(), EndReason::Removed)));
    assert_eq!(t.story_of(&ada.user), ["session_started", "user_deleting", "session_ended"]);
}

#[test]
fn then_the_person_is_gone_at_stytch_and_here() {
    let t = House::new();
    let ada = t.came_in("ada");
    t.remove(ada.user.id).unwrap();

    t.work();

    assert_eq!(t.user("ada"), None);
    assert!(t.invitations("ada").is_empty());
    assert!(t.stytch.knows().find(&at("ada")).is_none());
    assert_eq!(
        t.story_of(&ada.user),
        ["session_started", "user_deleting", "session_ended", "user_deleted"]
    );
    let tables = t.store.tables();
    assert_eq!(tables.tombstones.len(), 1);
    assert_eq!(Some(&tables.tombstones[0].provider_user_id), ada.user.provider_user_id.as_ref());
    assert_eq!(tables.tombstones[0].user_id, ada.user.id);
}

#[test]
fn an_identity_that_is_somebody_elses_here_stays() {
    let t = House::new();
    let ada = t.came_in("ada");
    t.stytch.knows().users[0].email = at("bob");
    let bob = t.invited("bob");
    t.work_for(secs(2));
    t.remove(bob.user_id).unwrap();

    t.work();

    assert_eq!(t.user("bob"), None);
    assert!(t.stytch.knows().find(&at("bob")).is_some(), "it is Ada's");
    assert!(t.comes_back(&ada.tokens).is_ok());
}

#[test]
fn the_address_is_free_again() {
    let t = House::new();
    let first = t.came_in("ada").user;
    t.remove(first.id).unwrap();
    t.work();

    let second = t.came_in("ada").user;

    assert_ne!(second.id, first.id);
    t.remove(second.id).unwrap();
    t.work();
    assert_eq!(t.user("ada"), None, "and again");
}

#[test]
fn an_open_invitation_is_taken_back_at_once() {
    let t = House::new();
    let ada = t.sent("ada");

    t.remove(ada.user_id).unwrap();

    assert_eq!(t.again(&ada).status, InvitationStatus::Revoked);
    assert_eq!(t.story(&ada), ["requested", "attempted", "sent", "revoked"]);
    t.work();
    assert_eq!(t.user("ada"), None);
    assert!(t.press(&t.link("ada")).is_err());
}

#[test]
fn an_invitation_that_has_ended_stays_as_it_ended_until_the_person_is_gone() {
    let t = House::new();
    let ada = t.ended("ada", InvitationStatus::Failed);
    t.remove(ada.user_id).unwrap();
    assert_eq!(t.again(&ada).status, InvitationStatus::Failed);
    t.work();
    assert!(t.invitations("ada").is_empty());
}

#[test]
fn stytch_is_asked_until_it_has_done_it() {
    let t = House::new();
    let ada = t.came_in("ada").user;
    t.stytch.refuses(Call::DeleteUser, 2, &errors::internal());
    t.stytch.refuses(Call::DeleteUser, 3, &errors::rate_limited(None));
    t.stytch.refuses(Call::DeleteUser, 1, &errors::misconfigured());
    t.stytch.next(Call::DeleteUser, Fault::AnswerLost);
    t.remove(ada.id).unwrap();

    t.work();
    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));
    t.work_for(mins(10));

    assert_eq!(t.user("ada"), None);
    assert_eq!(t.job::<DeleteIdentity>().attempts, 4, "what only waited is not counted");
}

#[test]
fn an_identity_that_nobody_here_has_heard_of_goes_too() {
    let t = House::new();
    let ada = t.invited("ada");
    t.stytch.next(Call::SendInvite, Fault::AnswerLost);
    t.work();
    assert_eq!(t.expect_user("ada").provider_user_id, None);
    let identity = t.stytch.knows().find(&at("ada")).unwrap().id;
    t.stytch.refuses(Call::FindUser, 1, &errors::internal());
    t.remove(ada.user_id).unwrap();

    t.work_for(mins(1));

    assert_eq!(t.user("ada"), None);
    assert!(t.stytch.knows().find(&at("ada")).is_none());
    assert_eq!(t.store.tables().tombstones[0].provider_user_id, identity);
}

#[test]
fn somebody_whom_stytch_never_met_is_just_erased() {
    let t = House::new();
    let ada = t.add("ada", guestlist_domain::Role::Member).unwrap();
    t.remove(ada.id).unwrap();

    t.work();

    assert_eq!(t.user("ada"), None);
    assert_eq!(t.stytch.was_asked(Call::DeleteUser), 0);
    assert!(t.store.tables().tombstones.is_empty());
}

#[test]
fn a_worker_that_dies_after_stytch_did_it_leaves_the_rest_to_the_next() {
    let t = House::new();
    let ada = t.came_in("ada").user;
    t.remove(ada.id).unwrap();
    let _dies = t.begin();
    assert!(t.stytch.knows().find(&at("ada")).is_none());
    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));
    t.rescue();

    t.work();

    assert_eq!(t.user("ada"), None);
}

#[test]
fn a_deletion_that_broke_is_tried_again() {
    let t = House::new();
    let ada = t.came_in("ada").user;
    t.remove(ada.id).unwrap();
    let broken = t.perform(t.claim().unwrap(), Going::Breaks);
    t.settle(&broken).unwrap();
    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));
    t.work_for(mins(1));
    assert_eq!(t.user("ada"), None);
}

#[test]
fn a_database_lost_at_the_last_step_is_made_good_later() {
    let t = House::new();
    let ada = t.came_in("ada").user;
    t.remove(ada.id).unwrap();
    let in_flight = t.begin();
    t.store.lose_next_applies(1);
    assert!(t.settle(&in_flight).is_err());
    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));

    t.settle(&in_flight).unwrap();

    assert_eq!(t.user("ada"), None);
}

#[test]
fn asked_for_again_a_dead_deletion_comes_to_life() {
    let t = House::new();
    let ada = t.came_in("ada").user;
    t.stytch.is_down(errors::unreachable());
    t.remove(ada.id).unwrap();
    t.work_for(hours(4));
    assert_eq!(t.job::<DeleteIdentity>().state, JobState::Dead);
    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));
    t.stytch.heals();

    t.remove(ada.id).unwrap();
    t.work();

    assert_eq!(t.user("ada"), None);
    assert_eq!(
        t.story_of(&ada),
        ["session_started", "user_deleting", "session_ended", "user_deleted"]
    );
}

#[test]
fn two_jobs_for_one_deletion_are_no_trouble() {
    let t = House::new();
    let ada = t.came_in("ada").user;
    t.remove(ada.id).unwrap();
    t.remove(ada.id).unwrap();

    let (first, second) = (t.begin(), t.begin());
    t.settle(&first).unwrap();
    t.settle(&second).unwrap();

    assert_eq!(t.user("ada"), None);
    assert_eq!(t.store.tables().tombstones.len(), 1);
    let states: Vec<_> = t.jobs::<DeleteIdentity>().iter().map(|row| row.state).collect();
    assert_eq!(states, [JobState::Done, JobState::Done]);
}

#[test]
fn a_late_job_does_not_delete_the_next_person_of_the_address() {
    let t = House::new();
    let first = t.came_in("ada").user;
    t.remove(first.id).unwrap();
    t.remove(first.id).unwrap();
    t.step();
    assert_eq!(t.user("ada"), None);
    t.invited("ada");

    t.work();

    assert_eq!(t.status("ada"), Some(UserStatus::Invited));
    assert!(t.press(&t.link("ada")).is_ok());
}

#[test]
fn a_job_whose_person_is_not_on_the_way_out_deletes_nobody() {
    let t = House::new();
    let ada = t.came_in("ada").user;
    t.remove(ada.id).unwrap();
    t.store.tables().users.get_mut(&ada.id).unwrap().status = UserStatus::Active;

    t.work();

    assert_eq!(t.status("ada"), Some(UserStatus::Active));
    assert!(t.stytch.knows().find(&at("ada")).is_some());
}

#[test]
fn an_unknown_person_is_not_found() {
    let t = House::new();
    let nobody = UserId(t.ctx.ids.next());
    assert!(matches!(t.remove(nobody), Err(RemoveUserError::NotFound)));
    assert!(t.jobs::<DeleteIdentity>().is_empty());
}
