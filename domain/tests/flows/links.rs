//! A link that lets nobody in says why: what Stytch makes of it.

use guestlist_domain::flows::{
    RedeemError, RedeemLink, authenticate_link, claim_link, find_redemption, redeem_link,
    release_link,
};
use guestlist_domain::{InvitationStatus, TokenHash};

use crate::support::{Call, Fault, House, Link, at, at_once, errors, hours, mins, secs};

#[test]
fn a_used_link_names_whom_it_let_in() {
    let t = House::new();
    let ada = t.came_in("ada").user;
    let asked = t.stytch.was_asked(Call::Authenticate);

    let refused = t.press(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::LinkUsed(Some(user))) if user == ada.id));
    assert_eq!(t.stytch.was_asked(Call::Authenticate), asked, "we know without asking");
}

#[test]
fn a_second_press_waits_for_what_becomes_of_the_first() {
    for before_stytch in [true, false] {
        let t = House::new();
        let ada = t.sent("ada");
        let (other, link) = (t.clone(), t.link("ada"));
        let second = move || {
            let refused = other.press(&link);
            assert!(matches!(refused, Err(RedeemError::InProgress)), "{refused:?}");
        };
        if before_stytch {
            t.stytch.while_on_its_way(Call::Authenticate, second);
        } else {
            t.stytch.while_on_its_way_back(Call::Authenticate, second);
        }

        t.press(&t.link("ada")).unwrap();

        let refused = t.press(&t.link("ada"));
        let used = matches!(refused, Err(RedeemError::LinkUsed(Some(user))) if user == ada.user_id);
        assert!(used, "{refused:?}");
        assert_eq!(t.stytch.was_asked(Call::Authenticate), 1);
        assert_eq!(t.sessions(&t.expect_user("ada")).len(), 1);
    }
}

#[test]
fn a_claim_that_was_left_behind_ends_by_itself() {
    let t = House::new();
    t.sent("ada");
    let token = TokenHash::of(&t.link("ada"));
    let claim = at_once(claim_link(&t.ctx, token)).unwrap();
    assert!(!claim.is_taken_over);
    t.wait(secs(29));
    assert!(matches!(t.press(&t.link("ada")), Err(RedeemError::InProgress)));
    t.wait(secs(1));

    let taken_over = at_once(claim_link(&t.ctx, token)).unwrap();

    assert!(taken_over.is_taken_over);
    // The first has lost it, and cannot end what is another's by now.
    at_once(release_link(&t.ctx, claim)).unwrap();
    assert!(matches!(t.press(&t.link("ada")), Err(RedeemError::InProgress)));
    at_once(release_link(&t.ctx, taken_over)).unwrap();
    assert!(t.press(&t.link("ada")).is_ok());
    t.wait(hours(2));
    t.sweep();
    assert!(t.store.tables().link_claims.is_empty());
}

#[test]
fn a_login_link_past_its_hour_has_expired() {
    let t = House::new();
    t.came_in("ada");
    t.log_in("ada").unwrap();
    t.work();
    t.wait(hours(1));

    assert!(matches!(t.press(&t.link("ada")), Err(RedeemError::LinkExpired)));
}

#[test]
fn a_token_that_stytch_never_made_is_invalid() {
    let t = House::new();
    assert!(matches!(t.press("no-such-token"), Err(RedeemError::LinkInvalid)));
    assert!(matches!(t.press(""), Err(RedeemError::LinkInvalid)));
}

#[test]
fn the_link_of_a_revoked_invitation_says_so_and_is_not_used_up() {
    let t = House::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();
    let press = RedeemLink { invitation: Some(ada.id), ..House::pressing(&t.link("ada")) };

    assert!(matches!(t.press_as(&press), Err(RedeemError::InvitationRevoked)));
    assert_eq!(t.stytch.was_asked(Call::Authenticate), 0);
}

#[test]
fn a_link_that_names_an_open_or_unknown_invitation_is_pressed_as_any_other() {
    let t = House::new();
    let ada = t.sent("ada");
    let press = RedeemLink { invitation: Some(ada.id), ..House::pressing(&t.link("ada")) };
    assert!(t.press_as(&press).is_ok());

    t.sent("bob");
    let nobodys = guestlist_domain::InvitationId(t.ctx.ids.next());
    let press = RedeemLink { invitation: Some(nobodys), ..House::pressing(&t.link("bob")) };
    assert!(t.press_as(&press).is_ok());
}

#[test]
fn a_link_that_names_somebody_elses_invitation_lets_nobody_in() {
    let t = House::new();
    let (ada, bob) = (t.came_in("ada").user, t.sent("bob"));
    t.log_in("ada").unwrap();
    t.work();
    let press = RedeemLink { invitation: Some(bob.id), ..House::pressing(&t.link("ada")) };

    let refused = t.press_as(&press);
    t.work();

    assert!(matches!(refused, Err(RedeemError::LinkInvalid)), "{refused:?}");
    assert_eq!(t.again(&bob).status, InvitationStatus::Sent);
    assert_eq!(t.sessions(&ada).len(), 1, "the one of before");
    assert!(t.stytch.knows().sessions.last().unwrap().is_revoked, "nor is it of use at Stytch");
    assert_eq!(t.story_of(&ada), ["session_started"], "it is told of neither");
    assert_eq!(t.story(&bob), ["requested", "attempted", "sent"]);
}

#[test]
fn a_stranger_with_a_link_that_names_an_invitation_is_not_let_in_by_it() {
    let t = House::under(|policy| policy.admin_emails = vec![at("root")]);
    let bob = t.sent("bob");
    t.log_in("root").unwrap();
    t.work();
    let press = RedeemLink { invitation: Some(bob.id), ..House::pressing(&t.link("root")) };

    assert!(matches!(t.press_as(&press), Err(RedeemError::LinkInvalid)));
    assert!(t.user("root").is_none());
}

#[test]
fn a_login_that_was_recorded_is_known_to_be_though_the_answer_was_lost() {
    let t = House::new();
    t.sent("ada");
    let press = House::pressing(&t.link("ada"));
    let token = TokenHash::of(&press.token);
    let (ctx, claim) = (&t.ctx, at_once(claim_link(&t.ctx, token)).unwrap());
    let vouched = at_once(authenticate_link(ctx, &press.token, claim)).unwrap();
    t.store.lose_next_applies(1);
    let lost = at_once(redeem_link(ctx, &press, &vouched));
    assert!(matches!(lost, Err(RedeemError::Store(_))));
    assert!(at_once(find_redemption(ctx, &press, &vouched)).unwrap().is_none());

    let came_in = at_once(redeem_link(ctx, &press, &vouched)).unwrap();

    let known = at_once(find_redemption(ctx, &press, &vouched)).unwrap().unwrap();
    assert_eq!((known.session, known.user.id), (came_in.session, came_in.user.id));
    assert_eq!(known.tokens.session_token, came_in.tokens.session_token);
}

#[test]
fn an_outage_says_so_and_changes_nothing() {
    for error in [
        errors::unreachable(),
        errors::internal(),
        errors::rate_limited(None),
        errors::misconfigured(),
    ] {
        let t = House::new();
        let ada = t.sent("ada");
        let before = t.again(&ada);
        t.stytch.refuses(Call::Authenticate, 1, &error);

        let refused = t.press(&t.link("ada"));

        assert!(matches!(&refused, Err(RedeemError::Provider(e)) if e.code == error.code));
        assert_eq!(t.again(&ada), before);
        assert!(t.press(&t.link("ada")).is_ok(), "the link is good for another press");
    }
}

#[test]
fn a_press_whose_answer_was_lost_is_never_repeated() {
    let t = House::new();
    let ada = t.sent("ada");
    t.stytch.next(Call::Authenticate, Fault::AnswerLost);

    assert!(matches!(t.press(&t.link("ada")), Err(RedeemError::Provider(_))));
    assert_eq!(t.stytch.was_asked(Call::Authenticate), 1);
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);

    assert!(matches!(t.press(&t.link("ada")), Err(RedeemError::LinkExpired)));
    t.log_in("ada").unwrap();
    t.work_for(secs(3));
    assert!(t.press(&t.link("ada")).is_ok(), "a new link is one asking away");
}

#[test]
fn an_invitation_past_its_end_has_expired_though_stytch_lets_in() {
    let t = House::new();
    let short = guestlist_domain::flows::NewInvitation {
        expires_in_minutes: Some(6),
        ..House::asking("ada")
    };
    let ada = t.invite_as(short).unwrap();
    t.wait(mins(4));
    t.work();
    t.wait(mins(2));

    let refused = t.press(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::LinkExpired)), "{refused:?}");
    assert_eq!(t.link_state("ada"), Link::Used, "it was Stytch that let in");
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent, "the sweep will say so");
}

#[test]
fn nothing_of_a_press_shows_its_token() {
    let press = House::pressing("secret-token");
    assert!(!format!("{press:?}").contains("secret-token"));
    let t = House::new();
    let ada = t.came_in("ada");
    assert!(!format!("{ada:?}").contains(&ada.tokens.session_token));
}
