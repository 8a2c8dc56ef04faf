//! The form of what Stytch hands out.

/// Lengths of a link's token. Stytch's are 44 characters, which is not promised.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=256;

/// Whether a text can be the token of a magic link: base64url, with or without padding. What can't
/// be one needs no asking at Stytch.
pub fn is_link_token(text: &str) -> bool {
    LENGTHS.contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_stytch_have_the_form_of_one_and_other_texts_do_not() {
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
