//! An email address as the sandbox compares it: trimmed, lower case.

use crate::refusal::Refusal;

/// A plausible address, normalised, or `invalid_email`.
pub(crate) fn parse(text: Option<&str>) -> Result<String, Refusal> {
    let address = normalise(text.unwrap_or_default());
    if is_plausible(&address) {
        Ok(address)
    } else {
        Err(Refusal::bad_request("invalid_email", "Email format is invalid."))
    }
}

pub(crate) fn normalise(text: &str) -> String {
    text.trim().to_lowercase()
}

fn is_plausible(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let clean = !address.chars().any(|c| {
        c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | '"')
    });
    let dots = |part: &str| part.split('.').all(|label| !label.is_empty());
    clean
        && address.len() <= 254
        && (1..=64).contains(&local.len())
        && !local.contains('@')
        && dots(local)
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    edge(label.chars().next())
        && edge(label.chars().next_back())
        && label.chars().all(|c| c.is_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::is_plausible;

    #[test]
    fn ordinary_addresses_pass_and_broken_ones_do_not() {
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
