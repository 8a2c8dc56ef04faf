//! Redaction of received texts for logs and errors.

/// The largest length of a redacted text.
const MAX_CHARS: usize = 300;
/// The shortest run of characters that is taken for a token. Stytch's tokens have 44.
const MIN_TOKEN_CHARS: usize = 32;

/// Returns a text without addresses and tokens, on one line of at most 300 characters.
pub(crate) fn redact(text: &str) -> String {
    let words: Vec<String> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .map(|word| if is_address(word) { "[address]".to_owned() } else { redact_tokens(word) })
        .collect();
    words.join(" ").chars().take(MAX_CHARS).collect()
}

fn is_address(word: &str) -> bool {
    word.contains('@') || word.contains("%40")
}

fn redact_tokens(word: &str) -> String {
    word.split_inclusive(|c| !is_token_char(c))
        .map(|part| {
            let run = part.trim_end_matches(|c| !is_token_char(c));
            if looks_like_token(run) { part.replace(run, "[hidden]") } else { part.to_owned() }
        })
        .collect()
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_=.+~".contains(c)
}

/// Excludes long error types like `invalid_session_duration_minutes`, which are in lower case.
fn looks_like_token(run: &str) -> bool {
    run.len() >= MIN_TOKEN_CHARS
        && run.chars().any(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_tokens_are_redacted() {
        for (text, redacted) in [
            ("User could not be found.", "User could not be found."),
            ("'Ada@Example.com', is taken", "[address] is taken"),
            ("at /?email=ada%40example.com", "at [address]"),
            ("token DOYoip3rvIMMW5lgItikFK-Ak1CfMsgjuiCyI7uuU94=!", "token [hidden]!"),
            (
                "https://a.example/b?token=mZAYn5aLEqKUlZ_Ad9U_fWr38GaAQ1oFAhT8ds245v7Q&x=y",
                "https://a.example/b?[hidden]&x=y",
            ),
            ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.c2ln", "[hidden]"),
            (
                "see redirect_url_with_wildcard_cannot_be_default",
                "see redirect_url_with_wildcard_cannot_be_default",
            ),
            ("two\r\nlines\u{0}", "two lines"),
        ] {
            assert_eq!(redact(text), redacted, "{text:?}");
        }
    }

    #[test]
    fn a_long_text_is_truncated() {
        assert_eq!(redact(&"é ".repeat(10_000)).chars().count(), 300);
    }
}
