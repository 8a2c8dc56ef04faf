//! Removing users: here at once, at the provider by a job, then for good.

use guestlist_domain::flows::UserError;
use guestlist_domain::jobs::DeleteIdentity;
use guestlist_domain::{EndReason, InvitationStatus, UserId, UserStatus};

use crate::support::{
    Call, Fault, Interruption, JobState, Simulation, at, errors, hours, mins, secs,
};

#[test]
fn a_removal_ends_the_sessions_at_once() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");

    let deleting = t.remove(ada.user.id).unwrap();

    assert_eq!(deleting.status, UserStatus::Deleting);
    assert!(t.return_with(&ada.tokens).is_err());
    assert_eq!(t.sessions(&ada.user)[0].ended, Some((t.now(), EndReason::Removed)));
    assert_eq!(t.event_kinds_of(&ada.user), ["session_started", "user_deleting", "session_ended"]);
}

#[test]
fn the_removal_completes_at_the_provider_and_here() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    t.remove(ada.user.id).unwrap();

    t.work();

    assert_eq!(t.user("ada"), None);
    assert!(t.invitations("ada").is_empty());
    assert!(t.provider.state().find(&at("ada")).is_none());
    assert_eq!(
        t.event_kinds_of(&ada.user),
        ["session_started", "user_deleting", "session_ended", "user_deleted"]
    );
    let tables = t.store.tables();
    assert_eq!(tables.tombstones.len(), 1);
    assert_eq!(Some(&tables.tombstones[0].provider_user_id), ada.user.provider_user_id.as_ref());
    assert_eq!(tables.tombstones[0].user_id, ada.user.id);
}

#[test]
fn an_identity_linked_to_another_user_is_not_deleted() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    t.provider.state().users[0].email = at("bob");
    let bob = t.invited("bob");
    t.work_for(secs(2));
    t.remove(bob.user_id).unwrap();

    t.work();

    assert_eq!(t.user("bob"), None);
    assert!(t.provider.state().find(&at("bob")).is_some(), "it is Ada's");
    assert!(t.return_with(&ada.tokens).is_ok());
}

#[test]
fn a_removed_users_address_can_be_used_again() {
    let t = Simulation::new();
    let first = t.logged_in("ada").user;
    t.remove(first.id).unwrap();
    t.work();

    let second = t.logged_in("ada").user;

    assert_ne!(second.id, first.id);
    t.remove(second.id).unwrap();
    t.work();
    assert_eq!(t.user("ada"), None, "and again");
}

#[test]
fn a_removal_revokes_the_open_invitation() {
    let t = Simulation::new();
    let ada = t.sent("ada");

    t.remove(ada.user_id).unwrap();

    assert_eq!(t.again(&ada).status, InvitationStatus::Revoked);
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "sent", "revoked"]);
    t.work();
    assert_eq!(t.user("ada"), None);
    assert!(t.redeem(&t.link("ada")).is_err());
}

#[test]
fn an_ended_invitation_keeps_its_status_until_the_user_is_erased() {
    let t = Simulation::new();
    let ada = t.ended("ada", InvitationStatus::Failed);
    t.remove(ada.user_id).unwrap();
    assert_eq!(t.again(&ada).status, InvitationStatus::Failed);
    t.work();
    assert!(t.invitations("ada").is_empty());
}

#[test]
fn the_deletion_is_retried_until_the_provider_succeeds() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.provider.refuses(Call::DeleteUser, 2, &errors::internal());
    t.provider.refuses(Call::DeleteUser, 3, &errors::rate_limited(None));
    t.provider.refuses(Call::DeleteUser, 1, &errors::misconfigured());
    t.provider.next(Call::DeleteUser, Fault::AnswerLost);
    t.remove(ada.id).unwrap();

    t.work();
    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));
    t.work_for(mins(10));

    assert_eq!(t.user("ada"), None);
    assert_eq!(t.job::<DeleteIdentity>().attempts, 4, "what only waited is not counted");
}

#[test]
fn an_unlinked_identity_is_deleted_too() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.next(Call::SendInvite, Fault::AnswerLost);
    t.work();
    assert_eq!(t.expect_user("ada").provider_user_id, None);
    let identity = t.provider.state().find(&at("ada")).unwrap().id;
    t.provider.refuses(Call::FindUser, 1, &errors::internal());
    t.remove(ada.user_id).unwrap();

    t.work_for(mins(1));

    assert_eq!(t.user("ada"), None);
    assert!(t.provider.state().find(&at("ada")).is_none());
    assert_eq!(t.store.tables().tombstones[0].provider_user_id, identity);
}

#[test]
fn a_user_without_an_identity_is_erased() {
    let t = Simulation::new();
    let ada = t.add("ada", guestlist_domain::Role::Member).unwrap();
    t.remove(ada.id).unwrap();

    t.work();

    assert_eq!(t.user("ada"), None);
    assert_eq!(t.provider.call_count(Call::DeleteUser), 0);
    assert!(t.store.tables().tombstones.is_empty());
}

#[test]
fn a_deletion_interrupted_after_the_provider_call_is_completed_later() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.remove(ada.id).unwrap();
    let _dies = t.perform_next();
    assert!(t.provider.state().find(&at("ada")).is_none());
    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));
    t.rescue();

    t.work();

    assert_eq!(t.user("ada"), None);
}

#[test]
fn a_crashed_deletion_is_retried() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.remove(ada.id).unwrap();
    let broken = t.perform(t.claim().unwrap(), Interruption::Breaks);
    t.settle(&broken).unwrap();
    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));
    t.work_for(mins(1));
    assert_eq!(t.user("ada"), None);
}

#[test]
fn a_deletion_is_completed_after_the_database_recovers() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.remove(ada.id).unwrap();
    let in_flight = t.perform_next();
    t.store.lose_next_applies(1);
    assert!(t.settle(&in_flight).is_err());
    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));

    t.settle(&in_flight).unwrap();

    assert_eq!(t.user("ada"), None);
}

#[test]
fn a_repeated_removal_retries_a_dead_deletion() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.provider.fail_all(errors::unreachable());
    t.remove(ada.id).unwrap();
    t.work_for(hours(4));
    assert_eq!(t.job::<DeleteIdentity>().state, JobState::Dead);
    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));
    t.provider.recover();

    t.remove(ada.id).unwrap();
    t.work();

    assert_eq!(t.user("ada"), None);
    assert_eq!(
        t.event_kinds_of(&ada),
        ["session_started", "user_deleting", "session_ended", "user_deleted"]
    );
}

#[test]
fn two_deletion_jobs_of_one_user_are_harmless() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.remove(ada.id).unwrap();
    t.remove(ada.id).unwrap();

    let (first, second) = (t.perform_next(), t.perform_next());
    t.settle(&first).unwrap();
    t.settle(&second).unwrap();

    assert_eq!(t.user("ada"), None);
    assert_eq!(t.store.tables().tombstones.len(), 1);
    let states: Vec<_> = t.jobs::<DeleteIdentity>().iter().map(|row| row.state).collect();
    assert_eq!(states, [JobState::Done, JobState::Done]);
}

#[test]
fn a_late_deletion_does_not_delete_a_new_user_of_the_address() {
    let t = Simulation::new();
    let first = t.logged_in("ada").user;
    t.remove(first.id).unwrap();
    t.remove(first.id).unwrap();
    t.step();
    assert_eq!(t.user("ada"), None);
    t.invited("ada");

    t.work();

    assert_eq!(t.status("ada"), Some(UserStatus::Invited));
    assert!(t.redeem(&t.link("ada")).is_ok());
}

#[test]
fn a_deletion_job_of_an_active_user_deletes_nothing() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.remove(ada.id).unwrap();
    t.store.tables().users.get_mut(&ada.id).unwrap().status = UserStatus::Active;

    t.work();

    assert_eq!(t.status("ada"), Some(UserStatus::Active));
    assert!(t.provider.state().find(&at("ada")).is_some());
}

#[test]
fn an_unknown_user_is_not_found() {
    let t = Simulation::new();
    let unknown = UserId(t.ctx.ids.next());
    assert!(matches!(t.remove(unknown), Err(UserError::NotFound)));
    assert!(t.jobs::<DeleteIdentity>().is_empty());
}
