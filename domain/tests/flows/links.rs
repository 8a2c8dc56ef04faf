//! A link that lets nobody in says why: what Stytch makes of it.

use guestlist_domain::InvitationStatus;
use guestlist_domain::flows::{AcceptError, Press};

use crate::support::{Call, Fault, House, Link, errors, hours, mins, secs};

#[test]
fn a_used_link_names_whom_it_let_in() {
    let t = House::new();
    let ada = t.came_in("ada").user;
    let asked = t.stytch.was_asked(Call::Authenticate);

    let refused = t.press(&t.link("ada"));

    assert!(matches!(refused, Err(AcceptError::LinkUsed(Some(user))) if user == ada.id));
    assert_eq!(t.stytch.was_asked(Call::Authenticate), asked, "we know without asking");
}

#[test]
fn two_presses_at_once_let_in_once() {
    let t = House::new();
    let ada = t.sent("ada");
    let (other, link) = (t.clone(), t.link("ada"));
    t.stytch.while_on_its_way(Call::Authenticate, move || {
        other.press(&link).unwrap();
    });

    let refused = t.press(&t.link("ada"));

    let used = matches!(refused, Err(AcceptError::LinkUsed(Some(user))) if user == ada.user_id);
    assert!(used, "{refused:?}");
    assert_eq!(t.sessions(&t.expect_user("ada")).len(), 1);
}

#[test]
fn a_login_link_past_its_hour_has_expired() {
    let t = House::new();
    t.came_in("ada");
    t.log_in("ada").unwrap();
    t.work();
    t.wait(hours(1));

    assert!(matches!(t.press(&t.link("ada")), Err(AcceptError::LinkExpired)));
}

#[test]
fn a_token_that_stytch_never_made_is_invalid() {
    let t = House::new();
    assert!(matches!(t.press("no-such-token"), Err(AcceptError::LinkInvalid)));
    assert!(matches!(t.press(""), Err(AcceptError::LinkInvalid)));
}

#[test]
fn the_link_of_a_revoked_invitation_says_so_and_is_not_used_up() {
    let t = House::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();
    let press = Press { invitation: Some(ada.id), ..House::pressing(&t.link("ada")) };

    assert!(matches!(t.press_as(press), Err(AcceptError::InvitationRevoked)));
    assert_eq!(t.stytch.was_asked(Call::Authenticate), 0);
}

#[test]
fn a_link_that_names_an_open_or_unknown_invitation_is_pressed_as_any_other() {
    let t = House::new();
    let ada = t.sent("ada");
    let press = Press { invitation: Some(ada.id), ..House::pressing(&t.link("ada")) };
    assert!(t.press_as(press).is_ok());

    t.sent("bob");
    let nobodys = guestlist_domain::InvitationId(t.ctx.ids.next());
    let press = Press { invitation: Some(nobodys), ..House::pressing(&t.link("bob")) };
    assert!(t.press_as(press).is_ok());
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

        assert!(matches!(&refused, Err(AcceptError::Provider(e)) if e.code == error.code));
        assert_eq!(t.again(&ada), before);
        assert!(t.press(&t.link("ada")).is_ok(), "the link is good for another press");
    }
}

#[test]
fn a_press_whose_answer_was_lost_is_never_repeated() {
    let t = House::new();
    let ada = t.sent("ada");
    t.stytch.next(Call::Authenticate, Fault::AnswerLost);

    assert!(matches!(t.press(&t.link("ada")), Err(AcceptError::Provider(_))));
    assert_eq!(t.stytch.was_asked(Call::Authenticate), 1);
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);

    assert!(matches!(t.press(&t.link("ada")), Err(AcceptError::LinkExpired)));
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

    assert!(matches!(refused, Err(AcceptError::LinkExpired)), "{refused:?}");
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
