//! Addresses, normalised once: what is compared, stored and sent to is one and the same.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

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
    /// Letters outside ASCII: Stytch sends to none; a domain can be given in its xn-- form.
    #[error("must be ASCII; give an international domain in its xn-- form")]
    NotAscii,
    /// Not of the form `name@example.com`.
    #[error("is not an address like name@example.com")]
    Malformed,
}

impl Email {
    /// Parses and normalises: white space around it is dropped, letters become lower case.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(EmailError::Empty);
        }
        if text.len() > MAX_ADDRESS {
            return Err(EmailError::TooLong);
        }
        if !text.is_ascii() {
            return Err(EmailError::NotAscii);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError::Malformed)?;
        if !is_local(local) || !is_domain(domain) {
            return Err(EmailError::Malformed);
        }
        Ok(Self(text.to_ascii_lowercase()))
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

fn is_local(local: &str) -> bool {
    let atext = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    local.len() <= MAX_LOCAL
        && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(atext))
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
    fn what_is_no_address_says_why() {
        let long = format!("{}@example.com", "a".repeat(10_000));
        for (text, why) in [
            ("", EmailError::Empty),
            ("   ", EmailError::Empty),
            (long.as_str(), EmailError::TooLong),
            ("josé@example.com", EmailError::NotAscii),
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
            ("ada@example.com\r\nbcc: x@example.com", EmailError::Malformed),
        ] {
            assert_eq!(Email::parse(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn debug_hides_the_name() {
        assert_eq!(format!("{:?}", Email::parse("ada@example.com").unwrap()), "a***@example.com");
    }
}
