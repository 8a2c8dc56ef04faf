//! The format of magic link tokens.

/// The accepted lengths. Stytch's tokens have 44 characters, which is not documented.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=256;

/// Returns whether a text may be the token of a magic link: base64url, with or without padding. Other
/// texts can be rejected without a request to Stytch.
pub fn is_link_token(text: &str) -> bool {
    LENGTHS.contains(&text.len())
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
