//! Every id and token is made here.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::{Builder, Uuid};

/// `<what>-test-<uuid>`, as Stytch's test environment names things.
pub(crate) fn id(what: &str) -> String {
    format!("{what}-test-{}", uuid())
}

/// 33 random bytes in 44 characters: the form of session and magic-link tokens.
pub(crate) fn token() -> String {
    let mut bytes = [0_u8; 33];
    rand::fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `msg_` and 27 characters, as Svix names messages.
pub(crate) fn message() -> String {
    let characters = rand::distr::Alphanumeric;
    let random = rand::Rng::sample_iter(rand::rng(), characters).take(27).map(char::from);
    format!("msg_{}", random.collect::<String>())
}

/// Whether this has the form of a token, whoever made it.
pub(crate) fn is_token(text: &str) -> bool {
    text.len() == 44
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='))
}

/// Whether this is `project-test-<uuid>` or `project-live-<uuid>`.
pub(crate) fn is_project_id(text: &str) -> bool {
    ["project-test-", "project-live-"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .is_some_and(|rest| Uuid::try_parse(rest).is_ok())
}

fn uuid() -> Uuid {
    Builder::from_random_bytes(rand::random()).into_uuid()
}
