//! Webhooks, against Svix's own example and what may be wrong with one.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use guestlist_domain::{IdentityEvent, ProfileStatus};
use guestlist_stytch::{Signature, WebhookError, WebhookSecret, Webhooks};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const PROJECT: &str = "project-test-00000000-0000-0000-0000-000000000000";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";

fn now() -> Timestamp {
    Timestamp::from_second(1_614_265_330).unwrap()
}

fn webhooks() -> Webhooks {
    Webhooks::new(WebhookSecret::parse(SECRET).unwrap(), PROJECT)
}

/// Signed as Svix does.
fn signed(id: &str, at: &str, body: &[u8]) -> String {
    let key = STANDARD.decode(&SECRET["whsec_".len()..]).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signed = [format!("{id}.{at}.").as_bytes(), body].concat();
    format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed)))
}

fn read(body: &[u8]) -> Result<Option<IdentityEvent>, WebhookError> {
    let at = now().as_second().to_string();
    let signatures = signed(ID, &at, body);
    webhooks().read(Signature { id: ID, timestamp: &at, signatures: &signatures }, body, now())
}

/// Svix' sample of what Stytch sends, from when users had fewer members.
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
fn svix_s_own_example_is_signed() {
    let (body, at) = (br#"{"test": 2432232314}"#.as_slice(), "1614265330");
    let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let read = |id, at, signatures, body: &[u8]| {
        webhooks().read(Signature { id, timestamp: at, signatures }, body, now()).unwrap_err()
    };
    let is_signed = |error| matches!(error, WebhookError::Malformed(_));
    assert!(is_signed(read(ID, at, good, body)), "and no webhook of Stytch's");
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
fn what_was_signed_at_another_time_is_stale() {
    let body = event("UPDATE").to_string();
    let read = |at: &str| {
        let signatures = signed(ID, at, body.as_bytes());
        let signature = Signature { id: ID, timestamp: at, signatures: &signatures };
        webhooks().read(signature, body.as_bytes(), now())
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
fn it_tells_who_was_made_changed_or_deleted() {
    for action in ["CREATE", "UPDATE"] {
        let news = read(event(action).to_string().as_bytes()).unwrap().unwrap();
        assert_eq!((news.message_id.as_str(), news.provider_user_id.as_str()), (ID, "user-test-1"));
        let profile = news.profile.unwrap();
        assert_eq!(profile.emails[0].as_str(), "ada@example.com");
        assert_eq!((profile.status, profile.has_other_ways_in), (ProfileStatus::Active, false));
    }
    let mut gone = event("DELETE");
    gone.as_object_mut().unwrap().remove("user");
    let news = read(gone.to_string().as_bytes()).unwrap().unwrap();
    assert_eq!((news.provider_user_id.as_str(), news.profile), ("user-test-1", None));
}

#[test]
fn what_is_of_no_user_is_nothing_to_us() {
    for (name, value) in [("object_type", json!("member")), ("action", json!("MERGE"))] {
        let mut other = event("UPDATE");
        other[name] = value;
        assert_eq!(read(other.to_string().as_bytes()), Ok(None), "{name}");
    }
}

#[test]
fn what_can_not_be_read_says_where_and_quotes_nothing() {
    let mut strange = event("UPDATE");
    strange["user"]["emails"] = json!("grace@example.com");
    let error = read(strange.to_string().as_bytes()).unwrap_err();
    assert!(!error.to_string().contains("grace"), "{error}");
    for (name, value) in [
        ("id", json!("user-test-2")),
        ("id", json!("")),
        ("action", Value::Null),
        ("user", Value::Null),
        ("user", json!({ "user_id": "user-test-1" })),
    ] {
        let mut strange = event("CREATE");
        strange[name] = value;
        let error = read(strange.to_string().as_bytes()).unwrap_err();
        assert!(matches!(error, WebhookError::Malformed(_)), "{name}: {error}");
    }
    let mut foreign = event("DELETE");
    foreign["project_id"] = json!("project-test-another");
    assert_eq!(read(foreign.to_string().as_bytes()), Err(WebhookError::OtherProject));
}

#[test]
fn a_secret_is_never_shown() {
    let shown = format!("{:?} {:?}", WebhookSecret::parse(SECRET).unwrap(), webhooks());
    assert!(!shown.contains("MfKQ"), "{shown}");
    for wrong in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_MfKQ9r8GKYq", "whsec_?"]
    {
        let error = WebhookSecret::parse(wrong).unwrap_err();
        assert!(!error.to_string().contains("MfKQ"), "{error}");
    }
}
