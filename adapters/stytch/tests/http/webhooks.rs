//! Verification of webhooks, with Svix's own example and with invalid ones.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use guestlist_domain::{IdentityEvent, ProfileStatus};
use guestlist_stytch::{Signature, WebhookError, WebhookSecret, WebhookVerifier};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const PROJECT: &str = "project-test-00000000-0000-0000-0000-000000000000";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";

fn now() -> Timestamp {
    Timestamp::from_second(1_614_265_330).unwrap()
}

fn verifier() -> WebhookVerifier {
    WebhookVerifier::new(WebhookSecret::parse(SECRET).unwrap(), PROJECT)
}

/// Returns a signature in the form of Svix.
fn sign(id: &str, at: &str, body: &[u8]) -> String {
    let key = STANDARD.decode(&SECRET["whsec_".len()..]).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signed = [format!("{id}.{at}.").as_bytes(), body].concat();
    format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed)))
}

fn read(body: &[u8]) -> Result<Option<IdentityEvent>, WebhookError> {
    let at = now().as_second().to_string();
    let signatures = sign(ID, &at, body);
    verifier().verify(Signature { id: ID, timestamp: &at, signatures: &signatures }, body, now())
}

/// Returns an event in the form of Svix's sample.
fn event(action: &str) -> Value {
    json!({
        "action": action,
        "event_id": "webhook-event-test-00000000-0000-0000-0000-000000000000",
        "id": "user-test-1",
        "object_type": "user",
        "project_id": PROJECT,
        "source": "DASHBOARD",
        "timestamp": "2024-11-21T06:47:49.555247073Z",
        "user": {
            "user_id": "user-test-1",
            "emails": [{ "email": "ada@example.com", "email_id": "email-test-1", "verified": true }],
            "external_id": "",
            "status": "active",
            "created_at": "2024-11-21T06:47:49Z",
        },
        "vertical": "CONSUMER",
    })
}

#[test]
fn the_example_of_svix_is_verified() {
    let (body, at) = (br#"{"test": 2432232314}"#.as_slice(), "1614265330");
    let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let read = |id, at, signatures, body: &[u8]| {
        verifier().verify(Signature { id, timestamp: at, signatures }, body, now()).unwrap_err()
    };
    let is_signed = |error| matches!(error, WebhookError::Malformed(_));
    assert!(is_signed(read(ID, at, good, body)), "it is not an event of Stytch");
    let several = format!("v1,AAAA v2,{} {good} v1,!", &good[3..]);
    assert!(is_signed(read(ID, at, &several, body)));
    let halved = &good[..good.len() - 4];
    let unversioned = &good[3..];
    for signatures in
        ["", "v1,", halved, unversioned, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1O=="]
    {
        assert_eq!(read(ID, at, signatures, body), WebhookError::Signature, "{signatures}");
    }
    assert_eq!(read("msg_2", at, good, body), WebhookError::Signature);
    assert_eq!(read(ID, "1614265331", good, body), WebhookError::Signature);
    assert_eq!(read(ID, at, good, b"{}"), WebhookError::Signature);
}

#[test]
fn a_webhook_signed_more_than_five_minutes_away_is_stale() {
    let body = event("UPDATE").to_string();
    let read = |at: &str| {
        let signatures = sign(ID, at, body.as_bytes());
        let signature = Signature { id: ID, timestamp: at, signatures: &signatures };
        verifier().verify(signature, body.as_bytes(), now())
    };
    let at = |offset| (now() + SignedDuration::from_secs(offset)).as_second().to_string();
    for offset in [-300, -1, 0, 1, 300] {
        assert!(read(&at(offset)).is_ok(), "{offset}");
    }
    for strange in [&at(-301), &at(301), "", "soon", "1e9", "-1", "99999999999999999999"] {
        assert_eq!(read(strange), Err(WebhookError::Stale), "{strange}");
    }
}

#[test]
fn created_changed_and_deleted_users_are_reported() {
    for action in ["CREATE", "UPDATE"] {
        let event = read(event(action).to_string().as_bytes()).unwrap().unwrap();
        assert_eq!(
            (event.message_id.as_str(), event.provider_user_id.as_str()),
            (ID, "user-test-1")
        );
        let profile = event.profile.unwrap();
        assert_eq!(profile.emails[0].as_str(), "ada@example.com");
        assert_eq!(
            (profile.status, profile.has_other_login_methods),
            (ProfileStatus::Active, false)
        );
    }
    let mut deleted = event("DELETE");
    deleted.as_object_mut().unwrap().remove("user");
    let event = read(deleted.to_string().as_bytes()).unwrap().unwrap();
    assert_eq!((event.provider_user_id.as_str(), event.profile), ("user-test-1", None));
}

#[test]
fn events_about_other_objects_are_ignored() {
    for (name, value) in [("object_type", json!("member")), ("action", json!("MERGE"))] {
        let mut other = event("UPDATE");
        other[name] = value;
        assert_eq!(read(other.to_string().as_bytes()), Ok(None), "{name}");
    }
}

#[test]
fn a_malformed_webhook_is_rejected_without_quoting_it() {
    let mut malformed = event("UPDATE");
    malformed["user"]["emails"] = json!("grace@example.com");
    let error = read(malformed.to_string().as_bytes()).unwrap_err();
    assert!(!error.to_string().contains("grace"), "{error}");
    for (name, value) in [
        ("id", json!("user-test-2")),
        ("id", json!("")),
        ("action", Value::Null),
        ("user", Value::Null),
        ("user", json!({ "user_id": "user-test-1" })),
    ] {
        let mut malformed = event("CREATE");
        malformed[name] = value;
        let error = read(malformed.to_string().as_bytes()).unwrap_err();
        assert!(matches!(error, WebhookError::Malformed(_)), "{name}: {error}");
    }
    let mut foreign = event("DELETE");
    foreign["project_id"] = json!("project-test-another");
    assert_eq!(read(foreign.to_string().as_bytes()), Err(WebhookError::OtherProject));
}

#[test]
fn a_secret_is_not_formatted() {
    let shown = format!("{:?} {:?}", WebhookSecret::parse(SECRET).unwrap(), verifier());
    assert!(!shown.contains("MfKQ"), "{shown}");
    for wrong in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_MfKQ9r8GKYq", "whsec_?"]
    {
        let error = WebhookSecret::parse(wrong).unwrap_err();
        assert!(!error.to_string().contains("MfKQ"), "{error}");
    }
}
