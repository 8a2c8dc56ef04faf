//! Email addresses, normalized when parsed.

use std::borrow::Cow;
use std::fmt;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use serde::Serialize;
use thiserror::Error;

use crate::model::characters::{CodePoint, is_invisible};

/// Maximum length of an address (RFC 5321, section 4.5.3.1.3, without the angle brackets).
const MAX_ADDRESS: usize = 254;
const MAX_LOCAL: usize = 64;
const MAX_LABEL: usize = 63;

/// A lowercase email address, e.g. `ada@example.com`. `Debug` masks it so that logs contain no
/// addresses.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Email(String);

/// The reason a text is rejected as an email address. Messages complete the sentence "The address …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EmailError {
    #[error("is empty")]
    Empty,
    #[error("is longer than 254 characters")]
    TooLong,
    /// The limit is in RFC 5321, section 4.5.3.1.1.
    #[error("has more than 64 characters before the @")]
    LocalTooLong,
    #[error("contains the invisible character {}: type the address instead of pasting it", CodePoint(*.0))]
    Invisible(char),
    /// Stytch does not deliver to internationalized local parts.
    #[error("contains “{0}” before the @, where only ASCII characters are supported")]
    LocalNotAscii(char),
    /// An internationalized domain name that IDNA rejects.
    #[error("has an invalid domain")]
    InvalidDomain,
    #[error("is not an address like name@example.com")]
    Malformed,
}

impl Email {
    /// Parses and normalizes an address: trims white space, lowercases, and converts an
    /// internationalized domain to its `xn--` form (UTS #46, nontransitional).
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(EmailError::Empty);
        }
        if text.chars().nth(MAX_ADDRESS).is_some() {
            return Err(EmailError::TooLong);
        }
        // Some scripts need joiners in domain names; IDNA validates those.
        let at = text.rfind('@').unwrap_or(text.len());
        let is_hidden = |(i, c): &(usize, char)| {
            is_invisible(*c) && !(*i > at && matches!(c, '\u{200C}' | '\u{200D}'))
        };
        if let Some((_, hidden)) = text.char_indices().find(is_hidden) {
            return Err(EmailError::Invisible(hidden));
        }
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError::Malformed)?;
        if let Some(c) = local.chars().find(|c| !c.is_ascii()) {
            return Err(EmailError::LocalNotAscii(c));
        }
        let domain = ascii_domain(domain)?;
        if !is_local_part(local) || !is_domain(&domain) {
            return Err(EmailError::Malformed);
        }
        if local.len() > MAX_LOCAL {
            return Err(EmailError::LocalTooLong);
        }
        let address = format!("{}@{domain}", local.to_ascii_lowercase());
        if address.len() > MAX_ADDRESS {
            return Err(EmailError::TooLong);
        }
        Ok(Self(address))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the address with its local part masked: `a***@example.com`.
    pub fn masked(&self) -> String {
        let domain = self.0.rsplit_once('@').map_or("", |(_, domain)| domain);
        format!("{}***@{domain}", &self.0[..1])
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// Returns the lowercase ASCII form of a domain.
fn ascii_domain(domain: &str) -> Result<Cow<'_, str>, EmailError> {
    if domain.is_ascii() {
        return Ok(Cow::Owned(domain.to_ascii_lowercase()));
    }
    let invalid = || {
        let joiner = domain.chars().find(|c| is_invisible(*c));
        joiner.map_or(EmailError::InvalidDomain, EmailError::Invisible)
    };
    let idna = Uts46::new();
    let bytes = domain.as_bytes();
    // `is_domain` checks the lengths.
    idna.to_ascii(bytes, AsciiDenyList::STD3, Hyphens::Check, DnsLength::Ignore)
        .map_err(|_| invalid())
}

fn is_local_part(local: &str) -> bool {
    let atext = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(atext))
}

fn is_domain(domain: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= MAX_LABEL
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    // A last label that consists of digits would be part of an IP address.
    let is_top_level = |last: &str| !last.chars().all(|c| c.is_ascii_digit());
    domain.rsplit_once('.').is_some_and(|(_, last)| is_top_level(last))
        && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_normalized() {
        assert_eq!(Email::parse("  Ada.B+x@Example.COM ").unwrap().as_str(), "ada.b+x@example.com");
    }

    #[test]
    fn an_international_domain_becomes_its_ascii_form() {
        for (text, expected) in [
            ("Ada@Bücher.example", "ada@xn--bcher-kva.example"),
            ("ada@bu\u{308}cher.example", "ada@xn--bcher-kva.example"),
            ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
            ("ada@faß.example", "ada@xn--fa-hia.example"),
            ("ada@例え。テスト", "ada@xn--r8jz45g.xn--zckzah"),
            ("ada@نامه\u{200C}ای.example", "ada@xn--mgba3gch31f060k.example"),
        ] {
            assert_eq!(Email::parse(text).unwrap().as_str(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_local_part_has_at_most_64_characters() {
        let with = |length: usize| Email::parse(&format!("{}@example.com", "a".repeat(length)));
        assert!(with(64).is_ok());
        assert_eq!(with(65), Err(EmailError::LocalTooLong));
        let expanding = format!("ada@{}.example", "ü.".repeat(120).trim_end_matches('.'));
        assert_eq!(
            Email::parse(&expanding),
            Err(EmailError::TooLong),
            "too long in its ASCII form"
        );
    }

    #[test]
    fn an_invisible_character_is_named() {
        let error = Email::parse("ada\u{200B}@example.com").unwrap_err().to_string();
        assert!(error.contains("U+200B ZERO WIDTH SPACE"), "{error}");
    }

    #[test]
    fn an_invalid_address_is_rejected_with_the_reason() {
        let long = format!("{}@example.com", "a".repeat(10_000));
        for (text, why) in [
            ("", EmailError::Empty),
            ("   ", EmailError::Empty),
            (long.as_str(), EmailError::TooLong),
            ("josé@example.com", EmailError::LocalNotAscii('é')),
            ("ada\u{200B}@example.com", EmailError::Invisible('\u{200B}')),
            ("ada@exam\u{AD}ple.com", EmailError::Invisible('\u{AD}')),
            ("\u{FEFF}ada@example.com", EmailError::Invisible('\u{FEFF}')),
            ("ada@exam\u{200D}ple.com", EmailError::Invisible('\u{200D}')),
            ("a\u{A0}da@example.com", EmailError::Invisible('\u{A0}')),
            ("a\u{0}b@example.com", EmailError::Invisible('\u{0}')),
            ("ada@\u{300}.example", EmailError::InvalidDomain),
            ("ada@bü cher.example", EmailError::InvalidDomain),
            ("ada＠example.com", EmailError::Malformed),
            ("ada", EmailError::Malformed),
            ("ada@", EmailError::Malformed),
            ("@example.com", EmailError::Malformed),
            ("ada@localhost", EmailError::Malformed),
            ("ada@127.0.0.1", EmailError::Malformed),
            ("ada@example..com", EmailError::Malformed),
            ("ada@-example.com", EmailError::Malformed),
            (".ada@example.com", EmailError::Malformed),
            ("a b@example.com", EmailError::Malformed),
            ("a@b@example.com", EmailError::Malformed),
            ("ada@example.com\r\nbcc: x@example.com", EmailError::Invisible('\r')),
        ] {
            assert_eq!(Email::parse(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn debug_masks_the_local_part() {
        assert_eq!(format!("{:?}", Email::parse("ada@example.com").unwrap()), "a***@example.com");
    }
}
