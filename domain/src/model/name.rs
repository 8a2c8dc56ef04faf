//! Display names of users.

use serde::Serialize;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

use crate::model::characters::{CodePoint, changes_direction, is_control, is_visible};

/// A display name: 1 to 200 characters on one line, in Unicode normalization form C, so that spellings
/// that look equal compare equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Name(String);

/// The reason a text is rejected as a name. Messages complete the sentence "The name …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    #[error("is longer than 200 characters")]
    TooLong,
    /// A line break or another control character.
    #[error("contains the control character {}", CodePoint(*.0))]
    ControlCharacter(char),
    /// A character that would change the direction of the text beside the name.
    #[error("contains {}, which changes the direction of the text around it", CodePoint(*.0))]
    ChangesDirection(char),
    #[error("has no visible character")]
    Invisible,
}

impl Name {
    const MAX_CHARACTERS: usize = 200;

    /// Trims, normalizes and validates a name. Returns `None` for a text of white space only.
    pub fn parse(text: &str) -> Result<Option<Self>, NameError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        // Normalizing a long text is expensive; no valid name is longer than this before it.
        if text.chars().nth(Self::MAX_CHARACTERS * 4).is_some() {
            return Err(NameError::TooLong);
        }
        let text: String = text.nfc().collect();
        if text.chars().count() > Self::MAX_CHARACTERS {
            return Err(NameError::TooLong);
        }
        if let Some(control) = text.chars().find(|c| is_control(*c)) {
            return Err(NameError::ControlCharacter(control));
        }
        if let Some(direction) = text.chars().find(|c| changes_direction(*c)) {
            return Err(NameError::ChangesDirection(direction));
        }
        if !text.chars().any(is_visible) {
            return Err(NameError::Invisible);
        }
        Ok(Some(Self(text)))
    }

    /// Restores a name from the database, which may contain names that `parse` rejects today.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the form that searches compare.
    pub fn key(&self) -> String {
        search_key(&self.0)
    }
}

/// Returns the form of a text that searches compare: lower case, in normalization form C.
///
/// The text is normalized again after lowercasing, which can denormalize it.
pub(crate) fn search_key(text: &str) -> String {
    text.nfc().collect::<String>().to_lowercase().nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_name_is_kept_unchanged() {
        for text in [
            "Ada Lovelace",
            "O\u{2019}Neil-Å.",
            "李小龍",
            "علی\u{200C}رضا",
            "👩\u{200D}🚀 Sally",
            "\u{200F}שרה\u{200F}",
            "3",
            "☂",
        ] {
            let name = Name::parse(&format!("  {text} ")).unwrap().unwrap();
            assert_eq!(name.as_str(), text);
        }
        assert_eq!(Name::parse(" \u{3000}\u{A0}\n "), Ok(None));
    }

    #[test]
    fn an_invalid_name_is_rejected_with_the_character() {
        for (text, why) in [
            ("a\u{0}b", "contains the control character U+0000 NULL"),
            ("a\nb", "contains the control character U+000A LINE FEED"),
            ("a\u{2028}b", "contains the control character U+2028 LINE SEPARATOR"),
            ("a\u{85}b", "contains the control character U+0085"),
            ("a\u{FFFF}b", "contains the control character U+FFFF"),
            (
                "Ada \u{202E}moc",
                "contains U+202E RIGHT-TO-LEFT OVERRIDE, which changes the direction of the text around it",
            ),
            (
                "Ada\u{2067}",
                "contains U+2067 RIGHT-TO-LEFT ISOLATE, which changes the direction of the text around it",
            ),
            ("\u{200B}", "has no visible character"),
            ("\u{200D}\u{FEFF}", "has no visible character"),
            ("\u{3164}", "has no visible character"),
            ("\u{115F}\u{1160}", "has no visible character"),
            ("\u{2800}\u{2800}", "has no visible character"),
            ("\u{301}\u{FE0F}", "has no visible character"),
            ("\u{E000}", "has no visible character"),
            ("\u{AD}\u{2060}", "has no visible character"),
        ] {
            assert_eq!(Name::parse(text).unwrap_err().to_string(), why, "{text:?}");
        }
    }

    #[test]
    fn equivalent_spellings_compare_equal() {
        let (composed, decomposed) = ("Åsa José", "A\u{30A}sa Jose\u{301}");
        assert_ne!(composed, decomposed);
        let [one, other] = [composed, decomposed].map(|text| Name::parse(text).unwrap().unwrap());
        assert_eq!(one, other);
        assert_eq!(one.key(), "åsa josé");
        assert_eq!(search_key("JOSE\u{301}"), "josé");
        // Lowercasing can decompose a character; the result still fits the column.
        let longest = Name::parse(&"İ".repeat(200)).unwrap().unwrap();
        assert_eq!(longest.key().chars().count(), 400);
    }

    #[test]
    fn the_length_is_measured_after_normalization() {
        assert!(Name::parse(&"e\u{301}".repeat(200)).is_ok());
        for text in ["x".repeat(201), "e\u{301}".repeat(201), "\u{1D15E}".repeat(101)] {
            assert_eq!(Name::parse(&text), Err(NameError::TooLong), "{text}");
        }
    }
}
