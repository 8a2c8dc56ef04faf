//! Real answers, changed in every way that there is, and answers that never were real: what must
//! hold of whatever comes holds of them.

use std::{fs, path::Path};

use guestlist_domain::AuthenticatedSession;
use jiff::Timestamp;
use proptest::{collection::vec, prelude::*, sample::Index};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    answers::Authenticated,
    client::judge,
    error::{Repeat, classify},
    whatever,
};

const ADDRESS: &str = "Ada.Lovelace+1@Example.com";
const TOKEN: &str = "rM_kw42CWBhsHLF62V75jELMbvJ87njMe3tFVj7Qupu7";

/// The seeds of the fuzz targets, among them whatever was found by these.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.map(|path| fs::read(path).unwrap()).collect()
}

/// The bodies of real answers and webhooks, and the claims of a JWT.
fn bodies() -> Vec<Value> {
    let answers = seeds("answer").into_iter().filter_map(|seed| {
        let body = seed.splitn(3, |byte| *byte == b'\n').nth(2)?.to_vec();
        serde_json::from_slice(&body).ok()
    });
    let others = seeds("jwt").into_iter().chain(seeds("webhook"));
    let others = others.filter_map(|seed| serde_json::from_slice(&seed).ok());
    answers.chain(others).filter(Value::is_object).collect()
}

fn authenticated() -> Value {
    let is_session = |body: &Value| body["method_id"].is_string() && body["session"].is_object();
    bodies().into_iter().find(is_session).unwrap()
}

#[derive(Debug, Clone)]
enum Change {
    Remove,
    Replace(Value),
    Double(Value),
    Add(String, Value),
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!("")),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[a-z_]{1,20}".prop_map(Value::from),
        Just(json!(ADDRESS)),
        Just(json!(TOKEN)),
        Just(json!("2026-11-23T10:00:00Z")),
        Just(json!("x".repeat(200))),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        let member = prop_oneof!["[a-z_]{1,10}", Just("user_id".to_owned())];
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((member, inner), 0..5).prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Remove),
        any_json().prop_map(Change::Replace),
        any_json().prop_map(Change::Double),
        ("[a-z_]{1,12}", any_json()).prop_map(|(name, value)| Change::Add(name, value)),
    ]
}

/// How long to wait, as far as it is said.
fn any_wait() -> impl Strategy<Value = String> {
    let date = (0_i64..400_000_000_000).prop_map(|second| {
        Timestamp::from_second(second).map_or_else(
            |_| String::new(),
            |time| time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        )
    });
    prop_oneof!["[0-9]{1,25}", date, "[0-9A-Za-z:, -]{0,30}"]
}

/// All members of all objects: where the object is, and the member's name.
fn members(value: &Value, at: &str, all: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                all.push((at.to_owned(), name.clone()));
                members(value, &format!("{at}/{}", escaped(name)), all);
            }
        }
        Value::Array(list) => {
            for (n, value) in list.iter().enumerate() {
                members(value, &format!("{at}/{n}"), all);
            }
        }
        _ => (),
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The text of the changed value, and which member was changed.
fn changed(mut value: Value, which: Index, change: Change) -> (String, String) {
    let mut all = Vec::new();
    members(&value, "", &mut all);
    let (at, name) = all[which.index(all.len())].clone();
    let object = value.pointer_mut(&at).unwrap().as_object_mut().unwrap();
    let twin = format!("the other {name}");
    match change {
        Change::Remove => drop(object.remove(&name)),
        Change::Replace(with) => drop(object.insert(name.clone(), with)),
        Change::Double(with) => drop(object.insert(twin.clone(), with)),
        Change::Add(name, with) => drop(object.entry(name).or_insert(with)),
    }
    // Only a text has a member twice.
    let text = value.to_string().replace(&format!("\"{twin}\":"), &format!("\"{name}\":"));
    (text, format!("{at}/{name}"))
}

fn any_status() -> impl Strategy<Value = u16> {
    prop_oneof![Just(200), 200_u16..300, 300_u16..600, 100_u16..1000]
}

/// What the change of an answer to a link made of it.
fn vouched(text: &str) -> Option<AuthenticatedSession> {
    let answer: Authenticated = judge(StatusCode::OK, None, Ok(text.as_bytes().to_vec())).ok()?;
    Some(answer.vouched(Timestamp::UNIX_EPOCH))
}

#[test]
fn the_seeds_of_the_fuzz_targets_break_nothing() {
    for (target, check) in [
        ("answer", whatever::answer as fn(&[u8])),
        ("keys", whatever::keys),
        ("jwt", whatever::jwt),
        ("webhook", whatever::webhook),
    ] {
        let seeds = seeds(target);
        assert!(!seeds.is_empty());
        for seed in &seeds {
            check(seed);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        // 256 cases; more by PROPTEST_CASES=10000.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn bytes_break_nothing(
        status in any_status(), wait in vec(any::<u8>(), 0..40), body in vec(any::<u8>(), 0..400),
    ) {
        whatever::any_answer(status, &wait, &body);
        whatever::keys(&body);
        whatever::jwt(&body);
        whatever::webhook(&body);
    }

    #[test]
    fn json_breaks_nothing(status in any_status(), wait in any_wait(), body in any_json()) {
        let body = body.to_string();
        whatever::any_answer(status, wait.as_bytes(), body.as_bytes());
        whatever::keys(body.as_bytes());
        whatever::jwt(body.as_bytes());
        whatever::webhook(body.as_bytes());
    }

    #[test]
    fn a_real_answer_that_is_changed_breaks_nothing(
        which in any::<Index>(), member in any::<Index>(), change in any_change(),
        status in any_status(), cut in any::<Index>(), is_cut in prop::bool::weighted(0.2),
    ) {
        let bodies = bodies();
        let (mut text, _) = changed(which.get(&bodies).clone(), member, change);
        if is_cut {
            let end = cut.index(text.len());
            text.truncate(text.floor_char_boundary(end));
        }
        whatever::any_answer(status, b"", text.as_bytes());
        whatever::keys(text.as_bytes());
        whatever::jwt(text.as_bytes());
        whatever::webhook(text.as_bytes());
    }

    /// A token was used up for it.
    #[test]
    fn only_what_makes_a_session_can_cost_one(
        member in any::<Index>(), with in any_json(), how in 0..3, name in "[a-z_]{1,12}",
    ) {
        let needed = [
            "/session_token", "/session_jwt", "/session", "/session/session_id",
            "/session/user_id", "/session/expires_at",
        ];
        let (change, may_be_any) = match how {
            0 => (Change::Remove, false),
            1 => (Change::Replace(with), false),
            _ => (Change::Add(name, with), true),
        };
        let (text, what) = changed(authenticated(), member, change);
        if !may_be_any && needed.contains(&what.as_str()) {
            return Ok(());
        }
        let (real, read) = (vouched(&authenticated().to_string()).unwrap(), vouched(&text));
        let read = read.ok_or_else(|| TestCaseError::fail(format!("{what}: {text}")))?;
        prop_assert_eq!(read.session.provider_session_id, real.session.provider_session_id);
        prop_assert_eq!(read.session.provider_user_id, real.session.provider_user_id);
        prop_assert_eq!(read.session.expires_at, real.session.expires_at);
        prop_assert_eq!(read.tokens.session_token, real.tokens.session_token);
        prop_assert_eq!(read.tokens.session_jwt, real.tokens.session_jwt);
    }

    /// Wherever Stytch quotes them.
    #[test]
    fn neither_the_address_nor_the_token_is_in_an_error(
        status in 300_u16..1000, before in ".{0,30}", between in "\\PC{0,30}", after in ".{0,30}",
        is_word in any::<bool>(),
    ) {
        let quoted = format!("{before}{ADDRESS} {between} {TOKEN}/{after}");
        let error_type = if is_word { "invalid_token" } else { quoted.as_str() };
        let body = json!({
            "error_type": error_type, "error_message": quoted, "request_id": quoted,
        });
        let status = StatusCode::from_u16(status).unwrap();
        let judged = judge::<Authenticated>(status, None, Ok(body.to_string().into_bytes()));
        let error = format!("{:?}", classify(judged.err().unwrap(), Repeat::Felt)).to_lowercase();
        prop_assert!(!error.contains(&ADDRESS.to_lowercase()), "{error}");
        prop_assert!(!error.contains(&TOKEN.to_lowercase()), "{error}");
    }

    #[test]
    fn what_is_not_a_success_is_none_whatever_it_says(
        status in prop_oneof![100_u16..200, 300_u16..1000], which in any::<Index>(),
    ) {
        let (status, bodies) = (StatusCode::from_u16(status).unwrap(), bodies());
        let body = which.get(&bodies).to_string().into_bytes();
        prop_assert!(judge::<Value>(status, None, Ok(body)).is_err());
    }
}
