//! Somebody presses Continue and comes in: what becomes theirs.

use guestlist_domain::flows::{Browser, NewInvitation, NewUser, RedeemLink, used_link_return_to};
use guestlist_domain::{
    EndReason, InvitationStatus, ManageableRoles, Role, TokenHash, UserStatus, Verdict,
};

use crate::support::{House, at, at_once, days, hours, metadata, named, place, secs};

#[test]
fn whoever_presses_continue_is_in() {
    let t = House::new();
    let ada = t.sent("ada");
    t.wait(hours(1));

    let came_in = t.press(&t.link("ada")).unwrap();

    let accepted = t.again(&ada);
    assert_eq!(accepted.status, InvitationStatus::Accepted);
    assert_eq!((accepted.accepted_at, accepted.sent_at), (Some(t.now()), ada.sent_at));
    assert_eq!(t.story(&ada), ["requested", "attempted", "sent", "accepted"]);
    let user = t.expect_user("ada");
    assert_eq!((user.status, user.last_seen_at), (UserStatus::Active, Some(t.now())));
    assert_eq!(t.story_of(&user), ["session_started"]);
    assert!(t.comes_back(&came_in.tokens).is_ok());
}

#[test]
fn a_session_lasts_as_long_as_the_house_says() {
    let t = House::under(|policy| policy.session_minutes = 60);
    t.sent("ada");
    let press = RedeemLink {
        browser: Browser { user_agent: Some("é".repeat(500)), ip: Some("192.0.2.1".into()) },
        ..House::pressing(&t.link("ada"))
    };

    let session = t.press_as(&press).unwrap().session;

    assert_eq!((session.started_at, session.expires_at), (t.now(), t.now() + hours(1)));
    assert_eq!(session.user_agent, Some("é".repeat(400)));
    assert_eq!(session.ip.as_deref(), Some("192.0.2.1"));
    assert_eq!(t.sessions(&t.expect_user("ada")), [session]);
}

#[test]
fn a_person_can_be_faster_than_our_record() {
    let t = House::new();
    let ada = t.invited("ada");
    let in_flight = t.begin();

    t.press(&t.link("ada")).unwrap();
    let accepted = t.again(&ada);
    assert_eq!((accepted.status, accepted.sent_at), (InvitationStatus::Accepted, None));
    let user = t.expect_user("ada");

    assert_eq!(t.settle(&in_flight).unwrap(), Verdict::Applied);
    assert_eq!(t.again(&ada), accepted, "the late result changes nothing");
    assert_eq!(t.expect_user("ada"), user);
    assert_eq!(t.story(&ada), ["requested", "accepted", "attempted"]);
}

#[test]
fn a_doubtful_mail_that_arrived_lets_in_before_it_is_sent_again() {
    let t = House::new();
    let ada = t.invited("ada");
    t.stytch.next(crate::support::Call::SendInvite, crate::support::Fault::AnswerLost);
    t.work();

    t.press(&t.link("ada")).unwrap();
    t.work_for(hours(1));

    assert_eq!(t.again(&ada).status, InvitationStatus::Accepted);
    assert_eq!(t.inbox("ada").len(), 1, "nothing is sent to somebody who is in");
}

#[test]
fn the_invitations_facts_become_the_users() {
    let t = House::new();
    let request = NewInvitation {
        name: named("Ada"),
        role: Role::Operator,
        metadata: metadata("team", "engines"),
        ..House::asking("ada")
    };
    t.invite_as(request).unwrap();
    t.work();

    let user = t.press(&t.link("ada")).unwrap().user;

    assert_eq!((user.name.clone(), user.role), (named("Ada"), Role::Operator));
    assert_eq!(user.metadata, metadata("team", "engines"));
    assert_eq!(t.expect_user("ada").metadata, user.metadata);
}

#[test]
fn the_newest_invitation_is_the_one_that_counts() {
    let t = House::new();
    let first = NewInvitation { metadata: metadata("n", "1"), ..House::asking("ada") };
    let first = t.invite_as(first).unwrap();
    t.work();
    let first_link = t.link("ada");
    t.revoke(first.id).unwrap();
    let second = NewInvitation { metadata: metadata("n", "2"), ..House::asking("ada") };
    let second = t.invite_as(second).unwrap();

    let user = t.press(&first_link).unwrap().user;

    assert_eq!(user.metadata, metadata("n", "2"));
    assert_eq!(t.again(&first).status, InvitationStatus::Revoked);
    assert_eq!(t.again(&second).status, InvitationStatus::Accepted);
}

#[test]
fn a_login_link_lets_an_active_person_in_and_changes_nothing_else() {
    let t = House::new();
    let request = NewUser {
        email: at("ada"),
        name: named("Ada"),
        role: Role::Operator,
        metadata: metadata("team", "engines"),
        manageable: ManageableRoles::All,
    };
    let added = t.add_as(request).unwrap();
    t.log_in("ada").unwrap();
    t.work();

    let user = t.press(&t.link("ada")).unwrap().user;

    assert_eq!((user.id, user.role, user.status), (added.id, Role::Operator, UserStatus::Active));
    assert_eq!((user.name.clone(), user.metadata.clone()), (added.name, added.metadata));
    assert!(user.provider_user_id.is_some(), "the identity is known from now on");
}

#[test]
fn the_invitation_says_where_to_go() {
    let t = House::new();
    t.invite_as(NewInvitation { return_to: Some(place("/engines")), ..House::asking("ada") })
        .unwrap();
    t.work();
    assert_eq!(t.press(&t.link("ada")).unwrap().return_to, Some(place("/engines")));
}

#[test]
fn whoever_logs_in_goes_where_they_last_wanted_to() {
    let t = House::new();
    t.came_in("ada");
    t.log_in_towards("ada", place("/first")).unwrap();
    t.log_in_towards("ada", place("/last")).unwrap();
    t.work();
    assert_eq!(t.press(&t.link("ada")).unwrap().return_to, Some(place("/last")));
}

#[test]
fn where_somebody_wanted_to_go_is_forgotten_with_the_link() {
    let t = House::new();
    let ada = t.sent("ada");
    let first = t.link("ada");
    t.resend(ada.id).unwrap();
    t.work_for(secs(2));
    t.press(&t.link("ada")).unwrap();
    t.log_in_towards("ada", place("/once")).unwrap();
    t.wait(hours(1));

    assert_eq!(t.press(&first).unwrap().return_to, None);
}

#[test]
fn where_a_used_link_led_is_known_as_long_as_what_it_followed_from() {
    let t = House::new();
    t.invite_as(NewInvitation { return_to: Some(place("/engines")), ..House::asking("ada") })
        .unwrap();
    t.work();
    let invited = t.link("ada");
    let ada = t.press(&invited).unwrap().user;
    t.wait(hours(1));
    t.log_in_towards("ada", place("/asked")).unwrap();
    t.work();
    let asked = t.link("ada");
    t.press(&asked).unwrap();
    t.wait(hours(2));
    t.log_in("ada").unwrap();
    t.work();
    let plain = t.link("ada");
    t.press(&plain).unwrap();

    let used_link_return_to =
        |token: &str| at_once(used_link_return_to(&t.ctx, TokenHash::of(token), &ada)).unwrap();
    assert_eq!(used_link_return_to(&invited), Some(place("/engines")));
    assert_eq!(used_link_return_to(&asked), Some(place("/asked")));
    assert_eq!(used_link_return_to(&plain), None);
    assert_eq!(used_link_return_to("another"), None);
}

#[test]
fn the_browsers_earlier_session_ends_here_and_at_stytch() {
    let t = House::new();
    let earlier = t.came_in("ada");
    t.sent("bob");
    let press = RedeemLink {
        previous_session: Some(earlier.session.clone()),
        ..House::pressing(&t.link("bob"))
    };

    let bob = t.press_as(&press).unwrap();
    t.work();

    assert!(t.comes_back(&earlier.tokens).is_err());
    assert!(t.comes_back(&bob.tokens).is_ok());
    assert_eq!(t.sessions(&earlier.user)[0].ended, Some((t.now(), EndReason::Replaced)));
    assert!(t.stytch.knows().sessions[0].is_revoked);
    assert!(!t.stytch.knows().sessions[1].is_revoked);
}

#[test]
fn a_session_that_is_over_needs_no_replacing() {
    let t = House::new();
    let earlier = t.came_in("ada");
    t.wait(days(8));
    t.sent("bob");
    let press = RedeemLink {
        previous_session: Some(earlier.session.clone()),
        ..House::pressing(&t.link("bob"))
    };

    t.press_as(&press).unwrap();

    assert_eq!(t.sessions(&earlier.user)[0].ended, None);
}

#[test]
fn tokens_are_kept_as_hashes_only() {
    let t = House::new();
    let ada = t.came_in("ada");

    let rows = format!("{:?}", t.store.tables());

    for secret in [&ada.tokens.session_token, &ada.tokens.session_jwt, &t.link("ada")] {
        assert!(!rows.contains(secret.as_str()));
    }
    assert_eq!(ada.session.token_hash, TokenHash::of(&ada.tokens.session_token));
}
