//! Links that log nobody in, and why.

use guestlist_domain::flows::{
    RedeemError, RedeemLink, authenticate_link, claim_link, find_redemption, redeem_link,
    release_link,
};
use guestlist_domain::{InvitationStatus, TokenHash};

use crate::support::{Call, Fault, Link, Simulation, at, block_on, errors, hours, mins, secs};

#[test]
fn a_used_link_names_its_user() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    let request = t.provider.call_count(Call::Authenticate);

    let refused = t.redeem(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::LinkUsed(Some(user))) if user == ada.id));
    assert_eq!(t.provider.call_count(Call::Authenticate), request, "we know without asking");
}

#[test]
fn a_second_request_with_a_claimed_link_is_in_progress() {
    for before_stytch in [true, false] {
        let t = Simulation::new();
        let ada = t.sent("ada");
        let (other, link) = (t.clone(), t.link("ada"));
        let second = move || {
            let refused = other.redeem(&link);
            assert!(matches!(refused, Err(RedeemError::InProgress)), "{refused:?}");
        };
        if before_stytch {
            t.provider.before_effect(Call::Authenticate, second);
        } else {
            t.provider.before_answer(Call::Authenticate, second);
        }

        t.redeem(&t.link("ada")).unwrap();

        let refused = t.redeem(&t.link("ada"));
        let used = matches!(refused, Err(RedeemError::LinkUsed(Some(user))) if user == ada.user_id);
        assert!(used, "{refused:?}");
        assert_eq!(t.provider.call_count(Call::Authenticate), 1);
        assert_eq!(t.sessions(&t.expect_user("ada")).len(), 1);
    }
}

#[test]
fn an_abandoned_claim_expires() {
    let t = Simulation::new();
    t.sent("ada");
    let token = TokenHash::of(&t.link("ada"));
    let claim = block_on(claim_link(&t.ctx, token)).unwrap();
    assert!(!claim.is_taken_over);
    t.wait(secs(29));
    assert!(matches!(t.redeem(&t.link("ada")), Err(RedeemError::InProgress)));
    t.wait(secs(1));

    let taken_over = block_on(claim_link(&t.ctx, token)).unwrap();

    assert!(taken_over.is_taken_over);
    // The first claim was taken over; releasing it must not release the second.
    block_on(release_link(&t.ctx, claim)).unwrap();
    assert!(matches!(t.redeem(&t.link("ada")), Err(RedeemError::InProgress)));
    block_on(release_link(&t.ctx, taken_over)).unwrap();
    assert!(t.redeem(&t.link("ada")).is_ok());
    t.wait(hours(2));
    t.sweep();
    assert!(t.store.tables().link_claims.is_empty());
}

#[test]
fn a_login_link_expires_after_an_hour() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.log_in("ada").unwrap();
    t.work();
    t.wait(hours(1));

    assert!(matches!(t.redeem(&t.link("ada")), Err(RedeemError::LinkExpired)));
}

#[test]
fn an_unknown_token_is_invalid() {
    let t = Simulation::new();
    assert!(matches!(t.redeem("no-such-token"), Err(RedeemError::LinkInvalid)));
    assert!(matches!(t.redeem(""), Err(RedeemError::LinkInvalid)));
}

#[test]
fn the_link_of_a_revoked_invitation_is_refused_without_consuming_it() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();
    let request = RedeemLink { invitation: Some(ada.id), ..Simulation::redemption(&t.link("ada")) };

    assert!(matches!(t.redeem_with(&request), Err(RedeemError::InvitationRevoked)));
    assert_eq!(t.provider.call_count(Call::Authenticate), 0);
}

#[test]
fn a_link_that_names_an_open_or_unknown_invitation_can_be_redeemed() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    let request = RedeemLink { invitation: Some(ada.id), ..Simulation::redemption(&t.link("ada")) };
    assert!(t.redeem_with(&request).is_ok());

    t.sent("bob");
    let unknown = guestlist_domain::InvitationId(t.ctx.ids.next());
    let request =
        RedeemLink { invitation: Some(unknown), ..Simulation::redemption(&t.link("bob")) };
    assert!(t.redeem_with(&request).is_ok());
}

#[test]
fn a_link_that_names_another_users_invitation_is_invalid() {
    let t = Simulation::new();
    let (ada, bob) = (t.logged_in("ada").user, t.sent("bob"));
    t.log_in("ada").unwrap();
    t.work();
    let request = RedeemLink { invitation: Some(bob.id), ..Simulation::redemption(&t.link("ada")) };

    let refused = t.redeem_with(&request);
    t.work();

    assert!(matches!(refused, Err(RedeemError::LinkInvalid)), "{refused:?}");
    assert_eq!(t.again(&bob).status, InvitationStatus::Sent);
    assert_eq!(t.sessions(&ada).len(), 1, "the one of before");
    assert!(t.provider.state().sessions.last().unwrap().is_revoked, "nor is it of use at Stytch");
    assert_eq!(t.event_kinds_of(&ada), ["session_started"], "it is recorded of neither");
    assert_eq!(t.event_kinds(&bob), ["requested", "attempted", "sent"]);
}

#[test]
fn an_unknown_identity_cannot_use_a_named_invitation() {
    let t = Simulation::with_policy(|policy| policy.admin_emails = vec![at("root")]);
    let bob = t.sent("bob");
    t.log_in("root").unwrap();
    t.work();
    let request =
        RedeemLink { invitation: Some(bob.id), ..Simulation::redemption(&t.link("root")) };

    assert!(matches!(t.redeem_with(&request), Err(RedeemError::LinkInvalid)));
    assert!(t.user("root").is_none());
}

#[test]
fn a_recorded_login_is_found_after_its_answer_was_lost() {
    let t = Simulation::new();
    t.sent("ada");
    let request = Simulation::redemption(&t.link("ada"));
    let token = TokenHash::of(&request.token);
    let (ctx, claim) = (&t.ctx, block_on(claim_link(&t.ctx, token)).unwrap());
    let authenticated = block_on(authenticate_link(ctx, &request.token, claim)).unwrap();
    t.store.lose_next_applies(1);
    let lost = block_on(redeem_link(ctx, &request, &authenticated));
    assert!(matches!(lost, Err(RedeemError::Store(_))));
    assert!(block_on(find_redemption(ctx, &request, &authenticated)).unwrap().is_none());

    let logged_in = block_on(redeem_link(ctx, &request, &authenticated)).unwrap();

    let known = block_on(find_redemption(ctx, &request, &authenticated)).unwrap().unwrap();
    assert_eq!((known.session, known.user.id), (logged_in.session, logged_in.user.id));
    assert_eq!(known.tokens.session_token, logged_in.tokens.session_token);
}

#[test]
fn an_outage_is_reported_and_changes_nothing() {
    for error in [
        errors::unreachable(),
        errors::internal(),
        errors::rate_limited(None),
        errors::misconfigured(),
    ] {
        let t = Simulation::new();
        let ada = t.sent("ada");
        let before = t.again(&ada);
        t.provider.refuses(Call::Authenticate, 1, &error);

        let refused = t.redeem(&t.link("ada"));

        assert!(matches!(&refused, Err(RedeemError::Provider(e)) if e.code == error.code));
        assert_eq!(t.again(&ada), before);
        assert!(t.redeem(&t.link("ada")).is_ok(), "the link is good for another press");
    }
}

#[test]
fn an_authentication_whose_answer_was_lost_is_never_repeated() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.provider.next(Call::Authenticate, Fault::AnswerLost);

    assert!(matches!(t.redeem(&t.link("ada")), Err(RedeemError::Provider(_))));
    assert_eq!(t.provider.call_count(Call::Authenticate), 1);
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);

    assert!(matches!(t.redeem(&t.link("ada")), Err(RedeemError::LinkExpired)));
    t.log_in("ada").unwrap();
    t.work_for(secs(3));
    assert!(t.redeem(&t.link("ada")).is_ok(), "a new link is one asking away");
}

#[test]
fn an_expired_invitation_is_refused_even_if_the_provider_accepts_its_link() {
    let t = Simulation::new();
    let short = guestlist_domain::flows::NewInvitation {
        expires_in_minutes: Some(6),
        ..Simulation::invitation_of("ada")
    };
    let ada = t.invite_as(short).unwrap();
    t.wait(mins(4));
    t.work();
    t.wait(mins(2));

    let refused = t.redeem(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::LinkExpired)), "{refused:?}");
    assert_eq!(t.link_state("ada"), Link::Used, "it was Stytch that let in");
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent, "the sweep will say so");
}

#[test]
fn debug_output_of_a_request_contains_no_token() {
    let request = Simulation::redemption("secret-token");
    assert!(!format!("{request:?}").contains("secret-token"));
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    assert!(!format!("{ada:?}").contains(&ada.tokens.session_token));
}
