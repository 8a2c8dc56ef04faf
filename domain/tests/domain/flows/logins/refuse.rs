//! Refused logins: the reason is returned, and the session at the provider is revoked.

use guestlist_domain::flows::{LoggedIn, RedeemError};
use guestlist_domain::jobs::RevokeSession;
use guestlist_domain::{InvitationStatus, Role, UserStatus};

use crate::support::{Call, Fault, JobState, Link, Simulation, at, errors, mins};

/// Checks that the refused login's session is revoked and the link is consumed.
fn is_shut_out(t: &Simulation, name: &str, refused: &Result<LoggedIn, RedeemError>) {
    assert!(refused.is_err());
    assert_eq!(t.link_state(name), Link::Used);
    t.work_for(mins(5));
    assert!(t.provider.state().sessions.last().unwrap().is_revoked);
    let again = t.redeem(&t.link(name));
    assert!(matches!(again, Err(RedeemError::LinkUsed(None))), "{again:?}");
}

#[test]
fn a_suspended_user_is_refused() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.log_in("ada").unwrap();
    t.work();
    t.suspend("ada");

    let refused = t.redeem(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::AccountSuspended)));
    is_shut_out(&t, "ada", &refused);
    let story = t.event_kinds_of(&ada);
    assert_eq!(story, ["session_started", "user_suspended", "session_ended", "login_refused"]);
}

#[test]
fn a_suspended_configured_administrator_is_refused() {
    let t = Simulation::with_policy(|policy| policy.admin_emails = vec![at("root")]);
    t.add("root", Role::Member).unwrap();
    t.log_in("root").unwrap();
    t.work();
    t.suspend("root");

    let refused = t.redeem(&t.link("root"));

    assert!(matches!(refused, Err(RedeemError::AccountSuspended)));
    is_shut_out(&t, "root", &refused);
}

#[test]
fn a_deleting_user_is_refused() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.log_in("ada").unwrap();
    t.work();
    t.provider.refuses(Call::DeleteUser, 1, &errors::internal());
    t.remove(ada.id).unwrap();

    let refused = t.redeem(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::NotInvited)));
    is_shut_out(&t, "ada", &refused);
}

#[test]
fn a_removed_user_is_refused() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.log_in("ada").unwrap();
    let other = t.clone();
    t.provider.before_effect(Call::SendLogin, move || {
        other.remove(ada.id).unwrap();
        other.work();
    });
    t.work();
    assert_eq!(t.user("ada"), None);

    let refused = t.redeem(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::NotInvited)));
    is_shut_out(&t, "ada", &refused);
}

#[test]
fn a_revoked_invitation_is_refused_even_if_the_provider_accepts_its_link() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();

    let refused = t.redeem(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::InvitationRevoked)));
    is_shut_out(&t, "ada", &refused);
    assert_eq!(t.status("ada"), Some(UserStatus::Invited));
    assert_eq!(t.again(&ada).status, InvitationStatus::Revoked);
}

#[test]
fn a_failed_invitation_is_refused_even_if_a_mail_was_sent() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.resend(ada.id).unwrap();
    t.provider.next(Call::SendInvite, Fault::AnswerLost);
    t.provider.refuses(Call::SendInvite, 1, &errors::rejected("inactive_email"));
    t.work_for(mins(1));
    assert_eq!(t.again(&ada).status, InvitationStatus::Failed);

    let refused = t.redeem(&t.link("ada"));

    assert!(matches!(refused, Err(RedeemError::NotInvited)));
    is_shut_out(&t, "ada", &refused);
}

#[test]
fn a_refused_session_is_revoked_after_the_outage() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();
    t.provider.refuses(Call::RevokeSession, 3, &errors::unreachable());

    let refused = t.redeem(&t.link("ada"));

    is_shut_out(&t, "ada", &refused);
    assert_eq!(t.job::<RevokeSession>().state, JobState::Done);
}

#[test]
fn a_refusals_event_contains_the_reason_and_no_address() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();
    t.redeem(&t.link("ada")).unwrap_err();

    let tables = t.store.tables();
    let refused = tables.events.values().find(|event| event.kind.as_str() == "login_refused");
    let detail = refused.unwrap().detail.to_string();
    assert!(detail.contains("revoked") && !detail.contains('@'), "{detail}");
}
