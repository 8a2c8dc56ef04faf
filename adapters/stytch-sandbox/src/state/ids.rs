//! Random ids and tokens, in Stytch's formats.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::{Builder, Uuid};

/// Returns `<prefix>-test-<uuid>`.
pub(crate) fn id(prefix: &str) -> String {
    format!("{prefix}-test-{}", Builder::from_random_bytes(rand::random()).into_uuid())
}

/// Returns a session or magic link token: 33 random bytes in 44 characters.
pub(crate) fn token() -> String {
    let mut bytes = [0_u8; 33];
    rand::fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns the id of a webhook message in Svix's format: `msg_` and 27 characters.
pub(crate) fn message() -> String {
    let characters = rand::distr::Alphanumeric;
    let random = rand::Rng::sample_iter(rand::rng(), characters).take(27).map(char::from);
    format!("msg_{}", random.collect::<String>())
}

/// Returns whether a text has the format of a token.
pub(crate) fn is_token(text: &str) -> bool {
    text.len() == 44
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='))
}

/// Returns whether a text is `project-test-<uuid>` or `project-live-<uuid>`.
pub(crate) fn is_project_id(text: &str) -> bool {
    ["project-test-", "project-live-"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .is_some_and(|uuid| Uuid::try_parse(uuid).is_ok())
}
