//! Stytch tells by itself what became of people there: late, twice, in any order, and mostly of
//! what was done from here.

use guestlist_domain::flows::{CheckIdentity, WebhookOutcome, handle_identity_webhook};
use guestlist_domain::{EndReason, IdentityEvent, Job, Profile, Role, UserStatus};

use crate::support::{Call, House, JobState, at, at_once, errors, mins, secs};

impl House {
    /// Stytch tells of somebody, under this id.
    fn hears_as(
        &self,
        message_id: &str,
        identity: &str,
        profile: Option<Profile>,
    ) -> WebhookOutcome {
        let (message_id, provider_user_id) = (message_id.to_owned(), identity.to_owned());
        let news = IdentityEvent { message_id, provider_user_id, profile };
        at_once(handle_identity_webhook(&self.ctx, &news)).expect("heard")
    }

    fn hears(&self, identity: &str, profile: Option<Profile>) -> WebhookOutcome {
        let message_id = format!("msg_{}", self.ctx.ids.next());
        self.hears_as(&message_id, identity, profile)
    }

    fn identity(&self, who: &str) -> String {
        self.stytch.knows().find(&at(who)).expect("known there").id
    }

    fn profile(&self, who: &str) -> Option<Profile> {
        let identity = self.identity(who);
        self.stytch.knows().profile(&identity)
    }

    fn checks(&self) -> Vec<JobState> {
        let tables = self.store.tables();
        let checks = tables.jobs.values().filter(|row| row.job.kind == CheckIdentity::KIND);
        checks.map(|row| row.state).collect()
    }
}

#[test]
fn who_is_deleted_there_is_logged_out_here() {
    let t = House::new();
    let ada = t.came_in("ada");
    let identity = t.identity("ada");
    t.leaves_stytch("ada");

    assert_eq!(t.hears(&identity, None), WebhookOutcome::CheckScheduled);
    t.work();

    let user = t.expect_user("ada");
    assert_eq!((user.status, user.provider_user_id.as_deref()), (UserStatus::Active, None));
    let (_, reason) = t.sessions(&user)[0].ended.expect("ended");
    assert_eq!(reason, EndReason::GoneAtProvider);
    assert!(t.comes_back(&ada.tokens).is_err());
    assert_eq!(t.story_of(&user).last(), Some(&"identity_forgotten"));
    assert_eq!(t.stytch.was_asked(Call::Look), 1);
}

#[test]
fn only_stytch_s_own_answer_ends_a_session() {
    let t = House::new();
    let ada = t.came_in("ada");
    let before = t.expect_user("ada");

    assert_eq!(t.hears(&t.identity("ada"), None), WebhookOutcome::CheckScheduled, "it may be so");
    t.work();

    assert_eq!(t.expect_user("ada"), before);
    assert!(t.comes_back(&ada.tokens).is_ok());
}

#[test]
fn what_is_told_twice_is_looked_at_once() {
    let t = House::new();
    t.came_in("ada");
    let identity = t.identity("ada");
    assert_eq!(t.hears_as("msg_1", &identity, None), WebhookOutcome::CheckScheduled);
    assert_eq!(t.hears_as("msg_1", &identity, None), WebhookOutcome::Duplicate);
    t.work();
    assert_eq!(t.hears_as("msg_1", &identity, None), WebhookOutcome::Duplicate);
    assert_eq!(t.checks(), [JobState::Done]);
    assert_eq!(t.stytch.was_asked(Call::Look), 1);
    assert_eq!(
        t.hears_as("msg_2", &identity, None),
        WebhookOutcome::CheckScheduled,
        "that is other news"
    );
}

#[test]
fn what_was_done_from_here_is_no_news() {
    let t = House::new();
    let ada = t.invited("ada");
    // It is told of before the call that did it is answered.
    let house = t.clone();
    t.stytch.while_on_its_way_back(Call::SendInvite, move || {
        let echo = house.hears(&house.identity("ada"), house.profile("ada"));
        assert_eq!(echo, WebhookOutcome::Consistent);
    });
    t.work();
    assert_eq!(t.hears(&t.identity("ada"), t.profile("ada")), WebhookOutcome::Consistent);
    let pending = t.profile("ada");
    t.press(&t.link("ada")).unwrap();
    let identity = t.identity("ada");
    assert_eq!(t.hears(&identity, t.profile("ada")), WebhookOutcome::Consistent, "they came in");
    assert_eq!(
        t.hears(&identity, pending),
        WebhookOutcome::Consistent,
        "and what was so before that"
    );

    t.remove(ada.user_id).unwrap();
    assert_eq!(t.hears(&identity, None), WebhookOutcome::Consistent, "while it is deleted");
    t.work();
    assert_eq!(t.hears(&identity, None), WebhookOutcome::Consistent, "once it is");
    assert_eq!(t.checks(), []);
    assert_eq!(t.stytch.was_asked(Call::Look), 0);
}

#[test]
fn late_news_of_who_was_removed_brings_nobody_back() {
    let t = House::new();
    let ada = t.came_in("ada");
    let late = t.profile("ada");
    let identity = t.identity("ada");
    t.remove(ada.user.id).unwrap();
    t.work();

    assert_eq!(t.hears(&identity, late.clone()), WebhookOutcome::Consistent);
    // Not even to those who came after them under the same address.
    t.add("ada", Role::Member).unwrap();
    assert_eq!(t.hears(&identity, late), WebhookOutcome::CheckScheduled);
    t.work();
    assert_eq!(t.expect_user("ada").provider_user_id, None);
}

#[test]
fn news_in_the_wrong_order_does_no_harm() {
    let t = House::new();
    t.came_in("ada");
    let (identity, late) = (t.identity("ada"), t.profile("ada"));
    t.leaves_stytch("ada");
    t.hears(&identity, None);
    t.work();
    let after = t.expect_user("ada");

    assert_eq!(t.hears(&identity, late), WebhookOutcome::CheckScheduled);
    t.work();
    assert_eq!(t.expect_user("ada"), after);
}

#[test]
fn who_is_made_there_for_somebody_here_is_known_as_them() {
    let t = House::new();
    t.add("ada", Role::Member).unwrap();
    t.stytch.knows().knew(&at("ada"), Some(t.now()));
    let identity = t.identity("ada");
    assert_eq!(t.hears(&identity, t.profile("ada")), WebhookOutcome::CheckScheduled);
    t.work();
    assert_eq!(t.expect_user("ada").provider_user_id, Some(identity));
    assert_eq!(t.story_of(&t.expect_user("ada")).last(), Some(&"identity_adopted"));
}

#[test]
fn who_could_be_another_is_not_taken_for_them() {
    let t = House::new();
    t.add("ada", Role::Member).unwrap();
    t.stytch.knows().knew(&at("ada"), Some(t.now()));
    let told = t.profile("ada");
    // Meanwhile there is another way in, and that may be somebody else's.
    t.stytch.knows().users[0].has_password = true;
    t.hears(&t.identity("ada"), told);
    t.work();
    assert_eq!(t.expect_user("ada").provider_user_id, None);
    assert_eq!(t.hears(&t.identity("ada"), t.profile("ada")), WebhookOutcome::Consistent);
}

#[test]
fn strangers_are_no_business_of_ours() {
    let t = House::new();
    t.stytch.knows().knew(&at("stranger"), None);
    assert_eq!(t.hears(&t.identity("stranger"), t.profile("stranger")), WebhookOutcome::Consistent);
    assert_eq!(t.hears("user-test-nobody", None), WebhookOutcome::Consistent);
    assert_eq!(t.user("stranger"), None);
    assert_eq!(t.checks(), []);
}

#[test]
fn who_got_another_identity_meanwhile_keeps_their_sessions() {
    let t = House::new();
    let ada = t.came_in("ada");
    let identity = t.identity("ada");
    t.leaves_stytch("ada");
    t.hears(&identity, None);
    let house = t.clone();
    t.stytch.while_on_its_way(Call::Look, move || {
        let id = house.expect_user("ada").id;
        let mut tables = house.store.tables();
        tables.users.get_mut(&id).expect("a row").provider_user_id = Some("another".into());
    });
    t.work();
    assert_eq!(t.expect_user("ada").provider_user_id.as_deref(), Some("another"));
    assert!(t.comes_back(&ada.tokens).is_ok());
}

#[test]
fn while_stytch_is_away_it_is_asked_again() {
    let t = House::new();
    let ada = t.came_in("ada");
    let identity = t.identity("ada");
    t.leaves_stytch("ada");
    t.stytch.refuses(Call::Look, 2, &errors::internal());
    t.hears(&identity, None);
    t.work();
    assert!(t.comes_back(&ada.tokens).is_ok(), "nothing is known yet");
    t.work_for(mins(1));
    assert_eq!(t.expect_user("ada").provider_user_id, None);
    t.wait(secs(1));
    assert!(t.comes_back(&ada.tokens).is_err());
}
