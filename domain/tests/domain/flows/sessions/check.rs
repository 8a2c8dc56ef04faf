//! Authenticating a request by token, JWT or both.

use guestlist_domain::flows::{Credentials, LoggedIn, SessionError};
use guestlist_domain::{ProviderError, UserStatus};

use crate::support::{Call, Fault, Simulation, days, errors, hours, mins, secs};

/// The credentials of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Token,
    Jwt,
    Both,
}

const ALL: [Shown; 3] = [Shown::Token, Shown::Jwt, Shown::Both];

fn credentials(shown: Shown, ada: &LoggedIn) -> Credentials<'_> {
    Credentials {
        token: (shown != Shown::Jwt).then_some(&ada.tokens.session_token),
        jwt: (shown != Shown::Token).then_some(&ada.tokens.session_jwt),
    }
}

/// Logs Ada in and lets time pass.
fn after(time: std::time::Duration) -> (Simulation, LoggedIn) {
    let t = Simulation::new();
    let ada = t.logged_in("ada");
    t.wait(time);
    (t, ada)
}

#[test]
fn a_live_session_is_accepted_by_token_jwt_or_both() {
    for shown in ALL {
        let (t, ada) = after(mins(1));

        let admitted = t.check(credentials(shown, &ada)).unwrap();

        assert_eq!((admitted.user.id, admitted.session), (ada.user.id, ada.session.clone()));
        let request = t.provider.call_count(Call::Refresh);
        assert_eq!(request, usize::from(shown == Shown::Token), "{shown:?}");
        assert_eq!(admitted.is_renewed, shown == Shown::Token, "{shown:?}");
        let is_shown = admitted.jwt.as_ref() == Some(&ada.tokens.session_jwt);
        assert!(admitted.is_renewed || is_shown, "{shown:?}");
    }
}

#[test]
fn an_expired_jwt_is_renewed_with_the_token() {
    let (t, ada) = after(mins(5));

    let admitted = t.check(credentials(Shown::Both, &ada)).unwrap();

    assert!(admitted.is_renewed);
    let fresh = admitted.jwt.unwrap();
    let alone = Credentials { token: None, jwt: Some(&fresh) };
    assert_eq!(t.check(alone).unwrap().session.id, ada.session.id);
    assert_eq!(t.sessions(&ada.user)[0].expires_at, ada.session.expires_at, "never extended");
}

#[test]
fn an_expired_jwt_without_token_is_refused() {
    // Plus half a minute of leeway.
    for late in [mins(5) + secs(30), mins(5) + secs(31), hours(1)] {
        let (t, ada) = after(late);
        let refused = t.check(credentials(Shown::Jwt, &ada));
        assert!(matches!(refused, Err(SessionError::JwtExpired)), "{late:?}");
    }
    for in_time in [mins(5).saturating_sub(secs(1)), mins(5), mins(5) + secs(29)] {
        let (t, ada) = after(in_time);
        assert!(t.check(credentials(Shown::Jwt, &ada)).is_ok(), "{in_time:?}");
    }
}

#[test]
fn during_an_outage_the_stored_session_decides() {
    let no_answer: [ProviderError; 6] = [
        errors::unreachable(),
        errors::internal(),
        errors::timed_out(),
        errors::rate_limited(Some(secs(60))),
        errors::misconfigured(),
        errors::rejected("bad_request"),
    ];
    for error in no_answer {
        for shown in [Shown::Token, Shown::Both] {
            let (t, ada) = after(mins(6));
            t.provider.fail_all(error.clone());

            let admitted = t.check(credentials(shown, &ada)).unwrap();

            assert_eq!((admitted.session.id, &admitted.jwt), (ada.session.id, &None));
            assert!(!admitted.is_renewed);
        }
    }
}

#[test]
fn an_answer_about_another_session_is_ignored() {
    let (t, ada) = after(mins(6));
    t.provider.next(Call::Refresh, Fault::AnotherSession);

    let admitted = t.check(credentials(Shown::Both, &ada)).unwrap();

    assert_eq!((admitted.session.id, &admitted.jwt), (ada.session.id, &None));
    assert!(!admitted.is_renewed);
}

#[test]
fn a_session_gone_at_the_provider_ends_here() {
    for shown in [Shown::Token, Shown::Both] {
        let (t, ada) = after(mins(6));
        t.provider.state().revoke_session(&ada.session.provider_session_id);

        let refused = t.check(credentials(shown, &ada));
        assert!(matches!(refused, Err(SessionError::Revoked)), "{shown:?}");

        let (at, why) = t.sessions(&ada.user)[0].ended.unwrap();
        assert_eq!((at, why.as_str()), (t.now(), "gone_at_provider"));
        t.provider.fail_all(errors::unreachable());
        assert!(matches!(t.check(credentials(shown, &ada)), Err(SessionError::Revoked)));
    }
}

#[test]
fn an_ended_session_is_refused_by_all_credentials() {
    for shown in ALL {
        let (t, ada) = after(mins(1));
        t.log_out(&ada).unwrap();

        let refused = t.check(credentials(shown, &ada));

        assert!(matches!(refused, Err(SessionError::Revoked)), "{shown:?}");
        assert_eq!(t.provider.call_count(Call::Refresh), 0);
    }
}

#[test]
fn an_expired_session_is_refused_by_all_credentials() {
    for shown in ALL {
        let (t, ada) = after(days(7));
        let refused = t.check(credentials(shown, &ada));
        assert!(matches!(refused, Err(SessionError::Expired)), "{shown:?}");
        assert_eq!(t.provider.call_count(Call::Refresh), 0);
    }
}

#[test]
fn the_session_of_a_suspended_or_deleting_user_is_refused() {
    for status in [UserStatus::Suspended, UserStatus::Deleting, UserStatus::Invited] {
        for shown in ALL {
            let (t, ada) = after(mins(1));
            t.store.tables().users.get_mut(&ada.user.id).unwrap().status = status;
            let refused = t.check(credentials(shown, &ada));
            assert!(matches!(refused, Err(SessionError::Revoked)), "{shown:?} {status}");
        }
    }
}

#[test]
fn the_jwt_of_a_swept_session_is_recognized() {
    let (t, ada) = after(days(7) + mins(1));
    t.sweep();
    assert!(t.sessions(&ada.user).is_empty());

    for shown in [Shown::Jwt, Shown::Both] {
        let refused = t.check(credentials(shown, &ada));
        assert!(matches!(refused, Err(SessionError::Expired)), "{shown:?}");
    }
    let refused = t.check(credentials(Shown::Token, &ada));
    assert!(matches!(refused, Err(SessionError::Missing)));
}

#[test]
fn the_session_of_a_removed_user_is_revoked() {
    let (t, ada) = after(mins(1));
    t.remove(ada.user.id).unwrap();
    t.work();
    assert_eq!(t.user("ada"), None);

    for shown in [Shown::Jwt, Shown::Both] {
        let refused = t.check(credentials(shown, &ada));
        assert!(matches!(refused, Err(SessionError::Revoked)), "{shown:?}");
    }
    assert!(t.check(credentials(Shown::Token, &ada)).is_err());
}

#[test]
fn missing_or_malformed_credentials_are_no_session() {
    let t = Simulation::new();
    let nothing = [
        Credentials::default(),
        Credentials { token: Some("nonsense"), jwt: None },
        Credentials { token: None, jwt: Some("nonsense") },
        Credentials { token: Some("nonsense"), jwt: Some("nonsense") },
    ];
    for shown in nothing {
        assert!(matches!(t.check(shown), Err(SessionError::Missing)));
    }
}

#[test]
fn a_valid_token_with_an_invalid_jwt_is_accepted() {
    let (t, ada) = after(mins(1));
    let shown = Credentials { token: Some(&ada.tokens.session_token), jwt: Some("nonsense") };
    let admitted = t.check(shown).unwrap();
    assert!(admitted.is_renewed && admitted.jwt.as_deref() != Some("nonsense"));
}

#[test]
fn a_jwt_of_another_session_is_replaced() {
    let (t, ada) = after(mins(1));
    let bob = t.logged_in("bob");
    let shown =
        Credentials { token: Some(&ada.tokens.session_token), jwt: Some(&bob.tokens.session_jwt) };

    let admitted = t.check(shown).unwrap();

    assert_eq!(admitted.user.id, ada.user.id);
    assert!(admitted.is_renewed && admitted.jwt.is_some());
    assert_ne!(admitted.jwt, Some(bob.tokens.session_jwt));
}

#[test]
fn without_keys_a_jwt_alone_cannot_be_verified() {
    let (t, ada) = after(mins(1));
    t.provider.lose_keys();

    let alone = t.check(credentials(Shown::Jwt, &ada));
    assert!(matches!(alone, Err(SessionError::KeysUnavailable)));
    assert!(t.check(credentials(Shown::Both, &ada)).is_ok(), "the token says enough");
}

#[test]
fn debug_output_contains_no_credentials() {
    let shown = Credentials { token: Some("secret"), jwt: Some("secret") };
    assert!(!format!("{shown:?}").contains("secret"));
}
