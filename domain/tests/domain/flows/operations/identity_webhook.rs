//! Webhook events: late, repeated, out of order, and mostly about our own changes.

use guestlist_domain::flows::{WebhookOutcome, handle_identity_webhook};
use guestlist_domain::jobs::CheckIdentity;
use guestlist_domain::{EndReason, IdentityEvent, Job, Profile, Role, UserStatus};

use crate::support::{Call, JobState, Simulation, at, block_on, errors, mins, secs};

impl Simulation {
    /// Handles an event with this message id.
    fn handle_event_with_id(
        &self,
        message_id: &str,
        identity: &str,
        profile: Option<Profile>,
    ) -> WebhookOutcome {
        let (message_id, provider_user_id) = (message_id.to_owned(), identity.to_owned());
        let event = IdentityEvent { message_id, provider_user_id, profile };
        block_on(handle_identity_webhook(&self.ctx, &event)).expect("handled")
    }

    fn handle_event(&self, identity: &str, profile: Option<Profile>) -> WebhookOutcome {
        let message_id = format!("msg_{}", self.ctx.ids.next());
        self.handle_event_with_id(&message_id, identity, profile)
    }

    fn identity(&self, name: &str) -> String {
        self.provider.state().find(&at(name)).expect("known there").id
    }

    fn profile(&self, name: &str) -> Option<Profile> {
        let identity = self.identity(name);
        self.provider.state().profile(&identity)
    }

    fn checks(&self) -> Vec<JobState> {
        let tables = self.store.tables();
        let checks = tables.jobs.values().filter(|row| row.job.kind == CheckIdentity::KIND);
        checks.map(|row| row.state).collect()
    }
}

#[test]
fn a_deleted_identity_ends_the_users_sessions() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    let identity = t.identity("ada");
    t.leaves_stytch("ada");

    assert_eq!(t.handle_event(&identity, None), WebhookOutcome::CheckScheduled);
    t.work();

    let user = t.expect_user("ada");
    assert_eq!((user.status, user.provider_user_id.as_deref()), (UserStatus::Active, None));
    let (_, reason) = t.sessions(&user)[0].ended.expect("ended");
    assert_eq!(reason, EndReason::GoneAtProvider);
    assert!(t.return_with(&ada.tokens).is_err());
    assert_eq!(t.event_kinds_of(&user).last(), Some(&"identity_forgotten"));
    assert_eq!(t.provider.call_count(Call::Look), 1);
}

#[test]
fn only_the_providers_own_answer_ends_a_session() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    let before = t.expect_user("ada");

    assert_eq!(
        t.handle_event(&t.identity("ada"), None),
        WebhookOutcome::CheckScheduled,
        "it may be so"
    );
    t.work();

    assert_eq!(t.expect_user("ada"), before);
    assert!(t.return_with(&ada.tokens).is_ok());
}

#[test]
fn a_repeated_event_is_checked_once() {
    let t = Simulation::new();
    t.logged_in("ada");
    let identity = t.identity("ada");
    assert_eq!(t.handle_event_with_id("msg_1", &identity, None), WebhookOutcome::CheckScheduled);
    assert_eq!(t.handle_event_with_id("msg_1", &identity, None), WebhookOutcome::Duplicate);
    t.work();
    assert_eq!(t.handle_event_with_id("msg_1", &identity, None), WebhookOutcome::Duplicate);
    assert_eq!(t.checks(), [JobState::Done]);
    assert_eq!(t.provider.call_count(Call::Look), 1);
    assert_eq!(
        t.handle_event_with_id("msg_2", &identity, None),
        WebhookOutcome::CheckScheduled,
        "another event"
    );
}

#[test]
fn an_event_of_our_own_change_is_consistent() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    // The event arrives before the answer to the call that caused it.
    let simulation = t.clone();
    t.provider.before_answer(Call::SendInvite, move || {
        let echo = simulation.handle_event(&simulation.identity("ada"), simulation.profile("ada"));
        assert_eq!(echo, WebhookOutcome::Consistent);
    });
    t.work();
    assert_eq!(t.handle_event(&t.identity("ada"), t.profile("ada")), WebhookOutcome::Consistent);
    let pending = t.profile("ada");
    t.redeem(&t.link("ada")).unwrap();
    let identity = t.identity("ada");
    assert_eq!(
        t.handle_event(&identity, t.profile("ada")),
        WebhookOutcome::Consistent,
        "they logged in"
    );
    assert_eq!(
        t.handle_event(&identity, pending),
        WebhookOutcome::Consistent,
        "and what was so before that"
    );

    t.remove(ada.user_id).unwrap();
    assert_eq!(t.handle_event(&identity, None), WebhookOutcome::Consistent, "while it is deleted");
    t.work();
    assert_eq!(t.handle_event(&identity, None), WebhookOutcome::Consistent, "once it is");
    assert_eq!(t.checks(), []);
    assert_eq!(t.provider.call_count(Call::Look), 0);
}

/// The call's result is recorded after the event's handler has read the user, and before it reads the
/// invitation.
#[test]
fn an_event_handled_while_our_own_change_is_recorded_is_consistent() {
    let t = Simulation::new();
    t.invited("ada");
    let before = t.store.tables().clone();
    t.work();
    let recorded = std::mem::replace(&mut *t.store.tables(), before);
    let simulation = t.clone();
    t.store.run_before_next_latest_invitation(move || *simulation.store.tables() = recorded);
    assert_eq!(t.handle_event(&t.identity("ada"), t.profile("ada")), WebhookOutcome::Consistent);
    assert_eq!(t.checks(), []);
}

#[test]
fn a_late_event_does_not_restore_a_removed_user() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    let late = t.profile("ada");
    let identity = t.identity("ada");
    t.remove(ada.user.id).unwrap();
    t.work();

    assert_eq!(t.handle_event(&identity, late.clone()), WebhookOutcome::Consistent);
    // A new user of the same address is not affected either.
    t.add("ada", Role::Member).unwrap();
    assert_eq!(t.handle_event(&identity, late), WebhookOutcome::CheckScheduled);
    t.work();
    assert_eq!(t.expect_user("ada").provider_user_id, None);
}

#[test]
fn events_out_of_order_are_harmless() {
    let t = Simulation::new();
    t.logged_in("ada");
    let (identity, late) = (t.identity("ada"), t.profile("ada"));
    t.leaves_stytch("ada");
    t.handle_event(&identity, None);
    t.work();
    let after = t.expect_user("ada");

    assert_eq!(t.handle_event(&identity, late), WebhookOutcome::CheckScheduled);
    t.work();
    assert_eq!(t.expect_user("ada"), after);
}

#[test]
fn an_identity_created_for_a_user_is_linked() {
    let t = Simulation::new();
    t.add("ada", Role::Member).unwrap();
    t.provider.state().create_foreign(&at("ada"), Some(t.now()));
    let identity = t.identity("ada");
    assert_eq!(t.handle_event(&identity, t.profile("ada")), WebhookOutcome::CheckScheduled);
    t.work();
    assert_eq!(t.expect_user("ada").provider_user_id, Some(identity));
    assert_eq!(t.event_kinds_of(&t.expect_user("ada")).last(), Some(&"identity_linked"));
}

#[test]
fn an_identity_that_may_be_another_persons_is_not_linked() {
    let t = Simulation::new();
    t.add("ada", Role::Member).unwrap();
    t.provider.state().create_foreign(&at("ada"), Some(t.now()));
    let recorded = t.profile("ada");
    // Meanwhile the identity has other credentials, which may be another person's.
    t.provider.state().users[0].has_password = true;
    t.handle_event(&t.identity("ada"), recorded);
    t.work();
    assert_eq!(t.expect_user("ada").provider_user_id, None);
    assert_eq!(t.handle_event(&t.identity("ada"), t.profile("ada")), WebhookOutcome::Consistent);
}

#[test]
fn events_about_unknown_identities_are_ignored() {
    let t = Simulation::new();
    t.provider.state().create_foreign(&at("stranger"), None);
    assert_eq!(
        t.handle_event(&t.identity("stranger"), t.profile("stranger")),
        WebhookOutcome::Consistent
    );
    assert_eq!(t.handle_event("user-test-nobody", None), WebhookOutcome::Consistent);
    assert_eq!(t.user("stranger"), None);
    assert_eq!(t.checks(), []);
}

#[test]
fn a_user_with_a_new_identity_keeps_the_sessions() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    let identity = t.identity("ada");
    t.leaves_stytch("ada");
    t.handle_event(&identity, None);
    let simulation = t.clone();
    t.provider.before_effect(Call::Look, move || {
        let id = simulation.expect_user("ada").id;
        let mut tables = simulation.store.tables();
        tables.users.get_mut(&id).expect("a row").provider_user_id = Some("another".into());
    });
    t.work();
    assert_eq!(t.expect_user("ada").provider_user_id.as_deref(), Some("another"));
    assert!(t.return_with(&ada.tokens).is_ok());
}

#[test]
fn the_check_is_retried_during_an_outage() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    let identity = t.identity("ada");
    t.leaves_stytch("ada");
    t.provider.refuses(Call::Look, 2, &errors::internal());
    t.handle_event(&identity, None);
    t.work();
    assert!(t.return_with(&ada.tokens).is_ok(), "nothing is known yet");
    t.work_for(mins(1));
    assert_eq!(t.expect_user("ada").provider_user_id, None);
    t.wait(secs(1));
    assert!(t.return_with(&ada.tokens).is_err());
}
