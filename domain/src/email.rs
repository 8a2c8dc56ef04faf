//! Addresses, normalised once: what is compared, stored and sent to is one and the same.

use std::borrow::Cow;
use std::fmt;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use serde::Serialize;
use thiserror::Error;

use crate::characters::{CodePoint, is_invisible};

/// The longest address that mail can be sent to (RFC 5321 4.5.3.1.3, less the angle brackets).
const MAX_ADDRESS: usize = 254;
const MAX_LOCAL: usize = 64;
const MAX_LABEL: usize = 63;

/// An e-mail address in lower case, e.g. `ada@example.com`. `Debug` masks it, for logs; it is
/// shown to people and sent to Stytch by [`Email::as_str`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Email(String);

/// Why a text is no address that an invitation can be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EmailError {
    /// Nothing but white space.
    #[error("is empty")]
    Empty,
    /// Over 254 characters.
    #[error("is longer than 254 characters")]
    TooLong,
    /// Over 64 characters before the `@` (RFC 5321 4.5.3.1.1).
    #[error("has more than 64 characters before the @")]
    LocalTooLong,
    /// A character that a reader would not notice.
    #[error("holds the invisible character {}: type it anew instead of pasting it", CodePoint(*.0))]
    Invisible(char),
    /// A character outside ASCII before the `@`: Stytch sends to none such.
    #[error("holds “{0}” before the @, where only ASCII can be sent to")]
    LocalNotAscii(char),
    /// An international domain that IDNA does not allow.
    #[error("has a domain that is not valid")]
    InvalidDomain,
    /// Not of the form `name@example.com`.
    #[error("is not an address like name@example.com")]
    Malformed,
}

impl Email {
    /// Parses and normalises: white space around it is dropped, letters become lower case, an
    /// international domain becomes its `xn--` form (UTS #46, nontransitional).
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(EmailError::Empty);
        }
        if text.chars().nth(MAX_ADDRESS).is_some() {
            return Err(EmailError::TooLong);
        }
        // Joiners are letters of some domains' scripts; IDNA knows where.
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
        if !is_local(local) || !is_domain(&domain) {
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

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address with all but the first letter of its name hidden: `a***@example.com`.
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

/// The form of a domain that mail is sent to, in lower case.
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
    // The lengths are checked with those of other domains.
    idna.to_ascii(bytes, AsciiDenyList::STD3, Hyphens::Check, DnsLength::Ignore)
        .map_err(|_| invalid())
}

fn is_local(local: &str) -> bool {
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
    // A last label of digits alone would be an IP address.
    let named = |last: &str| !last.chars().all(|c| c.is_ascii_digit());
    domain.rsplit_once('.').is_some_and(|(_, last)| named(last)) && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_normalised_once() {
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
        let grows = format!("ada@{}.example", "ü.".repeat(120).trim_end_matches('.'));
        assert_eq!(Email::parse(&grows), Err(EmailError::TooLong), "longer as it is sent");
    }

    #[test]
    fn an_invisible_character_is_named() {
        let error = Email::parse("ada\u{200B}@example.com").unwrap_err().to_string();
        assert!(error.contains("U+200B ZERO WIDTH SPACE"), "{error}");
    }

    #[test]
    fn what_is_no_address_says_why() {
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
    fn debug_hides_the_name() {
        assert_eq!(format!("{:?}", Email::parse("ada@example.com").unwrap()), "a***@example.com");
    }
}
