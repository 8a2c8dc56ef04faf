//! Redeeming a link, and what the user receives.

use guestlist_domain::flows::{Browser, NewInvitation, NewUser, RedeemLink, used_link_return_to};
use guestlist_domain::{
    EndReason, InvitationStatus, ManageableRoles, Role, TokenHash, UserStatus, Verdict,
};

use crate::support::{Simulation, at, block_on, days, hours, metadata, named, place, secs};

#[test]
fn redeeming_a_link_logs_the_invitee_in() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.wait(hours(1));

    let logged_in = t.redeem(&t.link("ada")).unwrap();

    let accepted = t.again(&ada);
    assert_eq!(accepted.status, InvitationStatus::Accepted);
    assert_eq!((accepted.accepted_at, accepted.sent_at), (Some(t.now()), ada.sent_at));
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "sent", "accepted"]);
    let user = t.expect_user("ada");
    assert_eq!((user.status, user.last_seen_at), (UserStatus::Active, Some(t.now())));
    assert_eq!(t.event_kinds_of(&user), ["session_started"]);
    assert!(t.return_with(&logged_in.tokens).is_ok());
}

#[test]
fn a_session_lasts_as_long_as_the_policy_says() {
    let t = Simulation::with_policy(|policy| policy.session_minutes = 60);
    t.sent("ada");
    let request = RedeemLink {
        browser: Browser { user_agent: Some("é".repeat(500)), ip: Some("192.0.2.1".into()) },
        ..Simulation::redemption(&t.link("ada"))
    };

    let session = t.redeem_with(&request).unwrap().session;

    assert_eq!((session.started_at, session.expires_at), (t.now(), t.now() + hours(1)));
    assert_eq!(session.user_agent, Some("é".repeat(400)));
    assert_eq!(session.ip.as_deref(), Some("192.0.2.1"));
    assert_eq!(t.sessions(&t.expect_user("ada")), [session]);
}

#[test]
fn a_queued_invitation_can_be_accepted() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let in_flight = t.perform_next();

    t.redeem(&t.link("ada")).unwrap();
    let accepted = t.again(&ada);
    assert_eq!((accepted.status, accepted.sent_at), (InvitationStatus::Accepted, None));
    let user = t.expect_user("ada");

    assert_eq!(t.settle(&in_flight).unwrap(), Verdict::Applied);
    assert_eq!(t.again(&ada), accepted, "the late result changes nothing");
    assert_eq!(t.expect_user("ada"), user);
    assert_eq!(t.event_kinds(&ada), ["requested", "accepted", "attempted"]);
}

#[test]
fn a_link_from_a_doubtful_call_can_be_redeemed_before_the_retry() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.next(crate::support::Call::SendInvite, crate::support::Fault::AnswerLost);
    t.work();

    t.redeem(&t.link("ada")).unwrap();
    t.work_for(hours(1));

    assert_eq!(t.again(&ada).status, InvitationStatus::Accepted);
    assert_eq!(t.inbox("ada").len(), 1, "nothing is sent to a user who is in");
}

#[test]
fn the_invitations_role_name_and_metadata_become_the_users() {
    let t = Simulation::new();
    let request = NewInvitation {
        name: named("Ada"),
        role: Role::Operator,
        metadata: metadata("team", "engines"),
        ..Simulation::invitation_of("ada")
    };
    t.invite_as(request).unwrap();
    t.work();

    let user = t.redeem(&t.link("ada")).unwrap().user;

    assert_eq!((user.name.clone(), user.role), (named("Ada"), Role::Operator));
    assert_eq!(user.metadata, metadata("team", "engines"));
    assert_eq!(t.expect_user("ada").metadata, user.metadata);
}

#[test]
fn a_login_accepts_the_newest_invitation() {
    let t = Simulation::new();
    let first = NewInvitation { metadata: metadata("n", "1"), ..Simulation::invitation_of("ada") };
    let first = t.invite_as(first).unwrap();
    t.work();
    let first_link = t.link("ada");
    t.revoke(first.id).unwrap();
    let second = NewInvitation { metadata: metadata("n", "2"), ..Simulation::invitation_of("ada") };
    let second = t.invite_as(second).unwrap();

    let user = t.redeem(&first_link).unwrap().user;

    assert_eq!(user.metadata, metadata("n", "2"));
    assert_eq!(t.again(&first).status, InvitationStatus::Revoked);
    assert_eq!(t.again(&second).status, InvitationStatus::Accepted);
}

#[test]
fn a_login_link_logs_an_active_user_in_and_changes_nothing_else() {
    let t = Simulation::new();
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

    let user = t.redeem(&t.link("ada")).unwrap().user;

    assert_eq!((user.id, user.role, user.status), (added.id, Role::Operator, UserStatus::Active));
    assert_eq!((user.name.clone(), user.metadata.clone()), (added.name, added.metadata));
    assert!(user.provider_user_id.is_some(), "the identity is known from now on");
}

#[test]
fn a_login_returns_to_the_invitations_target() {
    let t = Simulation::new();
    t.invite_as(NewInvitation {
        return_to: Some(place("/engines")),
        ..Simulation::invitation_of("ada")
    })
    .unwrap();
    t.work();
    assert_eq!(t.redeem(&t.link("ada")).unwrap().return_to, Some(place("/engines")));
}

#[test]
fn a_login_returns_to_the_target_of_the_last_login_request() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.log_in_to("ada", place("/first")).unwrap();
    t.log_in_to("ada", place("/last")).unwrap();
    t.work();
    assert_eq!(t.redeem(&t.link("ada")).unwrap().return_to, Some(place("/last")));
}

#[test]
fn the_target_of_an_expired_login_request_is_ignored() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    let first = t.link("ada");
    t.resend(ada.id).unwrap();
    t.work_for(secs(2));
    t.redeem(&t.link("ada")).unwrap();
    t.log_in_to("ada", place("/once")).unwrap();
    t.wait(hours(1));

    assert_eq!(t.redeem(&first).unwrap().return_to, None);
}

#[test]
fn the_target_of_a_used_link_is_known_as_long_as_its_request_is() {
    let t = Simulation::new();
    t.invite_as(NewInvitation {
        return_to: Some(place("/engines")),
        ..Simulation::invitation_of("ada")
    })
    .unwrap();
    t.work();
    let invited = t.link("ada");
    let ada = t.redeem(&invited).unwrap().user;
    t.wait(hours(1));
    t.log_in_to("ada", place("/asked")).unwrap();
    t.work();
    let request = t.link("ada");
    t.redeem(&request).unwrap();
    t.wait(hours(2));
    t.log_in("ada").unwrap();
    t.work();
    let plain = t.link("ada");
    t.redeem(&plain).unwrap();

    let used_link_return_to =
        |token: &str| block_on(used_link_return_to(&t.ctx, TokenHash::of(token), &ada)).unwrap();
    assert_eq!(used_link_return_to(&invited), Some(place("/engines")));
    assert_eq!(used_link_return_to(&request), Some(place("/asked")));
    assert_eq!(used_link_return_to(&plain), None);
    assert_eq!(used_link_return_to("another"), None);
}

#[test]
fn the_browsers_previous_session_ends_here_and_at_the_provider() {
    let t = Simulation::new();
    let earlier = t.logged_in("ada");
    t.sent("bob");
    let request = RedeemLink {
        previous_session: Some(earlier.session.clone()),
        ..Simulation::redemption(&t.link("bob"))
    };

    let bob = t.redeem_with(&request).unwrap();
    t.work();

    assert!(t.return_with(&earlier.tokens).is_err());
    assert!(t.return_with(&bob.tokens).is_ok());
    assert_eq!(t.sessions(&earlier.user)[0].ended, Some((t.now(), EndReason::Replaced)));
    assert!(t.provider.state().sessions[0].is_revoked);
    assert!(!t.provider.state().sessions[1].is_revoked);
}

#[test]
fn an_expired_session_is_not_replaced() {
    let t = Simulation::new();
    let earlier = t.logged_in("ada");
    t.wait(days(8));
    t.sent("bob");
    let request = RedeemLink {
        previous_session: Some(earlier.session.clone()),
        ..Simulation::redemption(&t.link("bob"))
    };

    t.redeem_with(&request).unwrap();

    assert_eq!(t.sessions(&earlier.user)[0].ended, None);
}

#[test]
fn tokens_are_stored_as_hashes_only() {
    let t = Simulation::new();
    let ada = t.logged_in("ada");

    let rows = format!("{:?}", t.store.tables());

    for secret in [&ada.tokens.session_token, &ada.tokens.session_jwt, &t.link("ada")] {
        assert!(!rows.contains(secret.as_str()));
    }
    assert_eq!(ada.session.token_hash, TokenHash::of(&ada.tokens.session_token));
}
