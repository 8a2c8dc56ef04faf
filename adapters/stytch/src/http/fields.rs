//! The formats and the deserialization of single fields.
//!
//! Fields that Guestlist can do without are read leniently, so that a change on Stytch's side does
//! not fail a whole response. After `magic_links/authenticate`, that would waste a used token.

use std::ops::RangeInclusive;

use guestlist_domain::Email;
use jiff::Timestamp;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The largest length of an id, which is what the databases store. Stytch's have about 50
/// characters.
pub(crate) const MAX_ID_LENGTH: usize = 128;
/// The accepted lengths of a magic link token. Stytch's tokens have 44 characters, which is not
/// documented.
const LINK_TOKEN_LENGTHS: RangeInclusive<usize> = 16..=256;

/// Parses a JSON object. Rejects arrays, which serde would read into a struct by position.
pub(crate) fn parse_object<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    if body.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        return Err(serde_json::Error::custom("not an object"));
    }
    serde_json::from_slice(body)
}

/// Describes a parse error without its message, which quotes the body.
pub(crate) fn describe(error: &serde_json::Error) -> String {
    format!("{:?} error at {}:{}", error.classify(), error.line(), error.column())
}

pub(crate) fn email(text: &str) -> Option<Email> {
    Email::parse(text).ok()
}

/// Truncates a time to microseconds, the precision of the databases.
pub(crate) fn whole_microseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

/// Reads an id: 1 to [`MAX_ID_LENGTH`] visible ASCII characters.
pub(crate) fn id<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = token(from)?;
    if text.len() > MAX_ID_LENGTH { Err(D::Error::custom("too long for an id")) } else { Ok(text) }
}

/// Reads a token that fits into a header. Rejects the empty text, which Stytch sends in place of a
/// session that was not created.
pub(crate) fn token<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_token { Ok(text) } else { Err(D::Error::custom("not an id or a token")) }
}

/// Reads a value, or the default if it has another type.
pub(crate) fn lenient<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(parse(&Raw::deserialize(from)?).unwrap_or_default())
}

/// Reads a list without the elements that have another type.
pub(crate) fn lenient_list<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let values: Vec<Raw> = lenient(from)?;
    Ok(values.iter().filter_map(parse).collect())
}

/// Unparsed JSON. Unlike [`serde_json::Value`] it limits neither nesting nor numbers, and parts of a
/// response, such as metadata, are written by users.
type Raw = Box<RawValue>;

fn parse<T: DeserializeOwned>(raw: &Raw) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// Returns whether a text may be the token of a magic link: base64url, with or without padding. Other
/// texts can be rejected without a request to Stytch.
pub fn is_link_token(text: &str) -> bool {
    LINK_TOKEN_LENGTHS.contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_in_the_format_of_a_token_are_accepted() {
        for token in [
            "rM_kw42CWBhsHLF62V75jELMbvJ87njMe3tFVj7Qupu7",
            "DOYoip3rvIMMW5lgItikFK-Ak1CfMsgjuiCyI7uuU94=",
        ] {
            assert!(is_link_token(token), "{token}");
        }
        let long = "a".repeat(257);
        for other in
            ["", "nonsense", "rM_kw42CWBhs HLF62V75jELMb", "rM_kw42CWBhs/HLF62V75jELMb", &long]
        {
            assert!(!is_link_token(other), "{other}");
        }
        assert!(!is_link_token(&"ü".repeat(22)));
    }
}
