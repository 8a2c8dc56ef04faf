//! Pasted lines: an address each, or a name and an address.

use std::collections::HashSet;

use guestlist_domain::{Email, Name};

use super::paste::LineOutcome;

/// A line that is not blank.
pub struct Line {
    pub text: String,
    pub parsed: Result<(Email, Option<Name>), LineOutcome>,
}

/// Parses lines such as `ada@example.com` and `Ada Lovelace <ada@example.com>`, with or without a
/// comma at the end. Addresses that were in an earlier line are repeated.
pub fn parse_lines(text: &str) -> Vec<Line> {
    let mut seen = HashSet::new();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let parse = |line: &str| {
        let parsed = parse_line(line).map_err(LineOutcome::Invalid);
        let parsed = parsed.and_then(|(email, name)| {
            let is_new = seen.insert(email.clone());
            if is_new { Ok((email, name)) } else { Err(LineOutcome::Repeated) }
        });
        Line { text: line.to_owned(), parsed }
    };
    lines.map(parse).collect()
}

fn parse_line(line: &str) -> Result<(Email, Option<Name>), String> {
    let line = line.trim_end_matches([',', ';']).trim_end();
    let (name, address) = match line.strip_suffix('>').and_then(|line| line.rsplit_once('<')) {
        Some((name, address)) => (name, address),
        None => ("", line),
    };
    let email = Email::parse(address).map_err(|error| format!("The address {error}."))?;
    let name = name.trim();
    let unquoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    let name = Name::parse(unquoted.unwrap_or(name));
    Ok((email, name.map_err(|error| format!("The name {error}."))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<(String, Option<String>), String> {
        let (email, name) = parse_line(line)?;
        Ok((email.as_str().to_owned(), name.map(|name| name.as_str().to_owned())))
    }

    #[test]
    fn a_line_is_an_address_with_or_without_a_name() {
        let ada = || "ada@example.com".to_owned();
        for (line, name) in [
            ("Ada@Example.com", None),
            ("ada@example.com,", None),
            ("<ada@example.com>;", None),
            ("Ada Lovelace <ada@example.com>", Some("Ada Lovelace")),
            ("\"Lovelace, Ada\" <ada@example.com>,", Some("Lovelace, Ada")),
            ("A < B <ada@example.com>", Some("A < B")),
        ] {
            assert_eq!(parsed(line), Ok((ada(), name.map(ToOwned::to_owned))), "{line}");
        }
        for (line, expected) in [
            ("ada", "The address is not an address like name@example.com."),
            ("Ada ada@example.com", "The address is not an address like name@example.com."),
            ("<>", "The address is empty."),
            ("\u{200b} <ada@example.com>", "The name has no visible character."),
        ] {
            assert_eq!(parsed(line), Err(expected.to_owned()), "{line}");
        }
    }

    #[test]
    fn blank_lines_are_skipped_and_repeated_addresses_are_found() {
        let lines = parse_lines("\r\nada@example.com\r\n \r\nADA@example.com\r\nx\n");
        let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["ada@example.com", "ADA@example.com", "x"]);
        assert!(lines[0].parsed.is_ok());
        assert!(matches!(lines[1].parsed, Err(LineOutcome::Repeated)));
        assert!(matches!(lines[2].parsed, Err(LineOutcome::Invalid(_))));
    }
}
