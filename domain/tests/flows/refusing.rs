//! Stytch vouches for somebody who may not come in: they are told why, and what Stytch made is
//! undone.

use guestlist_domain::flows::{LoggedIn, RedeemError, RevokeSession};
use guestlist_domain::{InvitationStatus, Role, UserStatus};

use crate::support::{Call, Fault, House, JobState, Link, at, errors, mins};

/// The session that Stytch made of the refused press is ended there, and the link is used up.
fn is_shut_out(t: &House, who: &str, refused: &Result<LoggedIn, RedeemError>) {
    assert!(refused.is_err());
    assert_eq!(t.link_state(who), Link::Used);
    t.work_for(mins(5));
    assert!(t.stytch.knows().sessions.last().unwrap().is_revoked);
    let again = t.press(&t.link(who));
    assert!(matches!(again, Err(RedeemError::LinkUsed(None))), "{again:?}");
}

#[test]
fn somebody_suspended_is_told_so() {
    let t = House::new();
    let ada = t.came_in("ada").user;
    t.log_in("ada").unwrap();
    t.work();
    t.suspend("ada");

    let refused = t.press(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::AccountSuspended)));
    is_shut_out(&t, "ada", &refused);
    let story = t.story_of(&ada);
    assert_eq!(story, ["session_started", "user_suspended", "session_ended", "login_refused"]);
}

#[test]
fn a_suspended_administrator_by_configuration_is_suspended() {
    let t = House::under(|policy| policy.admin_emails = vec![at("root")]);
    t.add("root", Role::Member).unwrap();
    t.log_in("root").unwrap();
    t.work();
    t.suspend("root");

    let refused = t.press(&t.link("root"));

    assert!(matches!(refused, Err(RedeemError::AccountSuspended)));
    is_shut_out(&t, "root", &refused);
}

#[test]
fn somebody_on_the_way_out_is_not_invited() {
    let t = House::new();
    let ada = t.came_in("ada").user;
    t.log_in("ada").unwrap();
    t.work();
    t.stytch.refuses(Call::DeleteUser, 1, &errors::internal());
    t.remove(ada.id).unwrap();

    let refused = t.press(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::NotInvited)));
    is_shut_out(&t, "ada", &refused);
}

#[test]
fn somebody_who_is_gone_is_not_invited() {
    let t = House::new();
    let ada = t.came_in("ada").user;
    t.log_in("ada").unwrap();
    let other = t.clone();
    t.stytch.while_on_its_way(Call::SendLogin, move || {
        other.remove(ada.id).unwrap();
        other.work();
    });
    t.work();
    assert_eq!(t.user("ada"), None);

    let refused = t.press(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::NotInvited)));
    is_shut_out(&t, "ada", &refused);
}

#[test]
fn a_revoked_invitation_that_stytch_still_honours_lets_nobody_in() {
    let t = House::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();

    let refused = t.press(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::InvitationRevoked)));
    is_shut_out(&t, "ada", &refused);
    assert_eq!(t.status("ada"), Some(UserStatus::Invited));
    assert_eq!(t.again(&ada).status, InvitationStatus::Revoked);
}

#[test]
fn a_failed_invitation_lets_nobody_in_though_a_mail_got_out() {
    let t = House::new();
    let ada = t.sent("ada");
    t.resend(ada.id).unwrap();
    t.stytch.next(Call::SendInvite, Fault::AnswerLost);
    t.stytch.refuses(Call::SendInvite, 1, &errors::rejected("inactive_email"));
    t.work_for(mins(1));
    assert_eq!(t.again(&ada).status, InvitationStatus::Failed);

    let refused = t.press(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::NotInvited)));
    is_shut_out(&t, "ada", &refused);
}

#[test]
fn a_refusal_that_could_not_reach_stytch_is_made_good_later() {
    let t = House::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();
    t.stytch.refuses(Call::RevokeSession, 3, &errors::unreachable());

    let refused = t.press(&t.link("ada"));

    is_shut_out(&t, "ada", &refused);
    assert_eq!(t.job::<RevokeSession>().state, JobState::Done);
}

#[test]
fn a_refusal_tells_the_reason_without_the_address() {
    let t = House::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();
    t.press(&t.link("ada")).unwrap_err();

    let tables = t.store.tables();
    let refused = tables.events.values().find(|event| event.kind.as_str() == "login_refused");
    let detail = refused.unwrap().detail.to_string();
    assert!(detail.contains("revoked") && !detail.contains('@'), "{detail}");
}
