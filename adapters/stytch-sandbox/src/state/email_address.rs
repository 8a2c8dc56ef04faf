//! Email addresses, which the sandbox compares and shows trimmed and in lower case.

use crate::response::ApiError;

/// Returns the normalized address, or `invalid_email` if it is no plausible one.
pub(crate) fn parse(text: Option<&str>) -> Result<String, ApiError> {
    let address = normalize(text.unwrap_or_default());
    if is_plausible(&address) {
        Ok(address)
    } else {
        Err(ApiError::bad_request("invalid_email", "Email format is invalid."))
    }
}

pub(crate) fn normalize(text: &str) -> String {
    text.trim().to_lowercase()
}

fn is_plausible(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let has_valid_characters = !address.chars().any(|c| {
        c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | '"')
    });
    let has_no_empty_label = |part: &str| part.split('.').all(|label| !label.is_empty());
    has_valid_characters
        && address.len() <= 254
        && (1..=64).contains(&local.len())
        && !local.contains('@')
        && has_no_empty_label(local)
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let is_valid_edge = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    is_valid_edge(label.chars().next())
        && is_valid_edge(label.chars().next_back())
        && label.chars().all(|c| c.is_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::is_plausible;

    #[test]
    fn only_plausible_addresses_are_accepted() {
        for good in ["ada@example.com", "a.b+c@mail.example.co.uk", "jo'x@exämple.com"] {
            assert!(is_plausible(good), "{good}");
        }
        for bad in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@example",
            "a b@example.com",
            "a@b@c.d",
            "a..b@example.com",
            "ada@-x.com",
            "ada@example..com",
            "ada@example.com.",
        ] {
            assert!(!is_plausible(bad), "{bad}");
        }
    }
}
