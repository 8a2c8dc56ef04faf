//! Names of people: text that is shown beside addresses, and searched.

use serde::Serialize;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

use crate::characters::{CodePoint, changes_direction, is_control, is_visible};

/// A name for people to read: 1 to 200 characters on one line, in Unicode's form NFC, so that
/// spellings which look the same are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Name(String);

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// Over 200 characters.
    #[error("is longer than 200 characters")]
    TooLong,
    /// A line break or another control character.
    #[error("holds the control character {}", CodePoint(*.0))]
    ControlCharacter(char),
    /// A character that would turn around the text beside the name.
    #[error("holds {}, which changes the direction of the text around it", CodePoint(*.0))]
    ChangesDirection(char),
    /// Nothing that can be seen.
    #[error("has no visible character")]
    Invisible,
}

impl Name {
    const MAX_CHARACTERS: usize = 200;

    /// Trims, normalises and checks; a text of nothing but white space is no name at all.
    pub fn parse(text: &str) -> Result<Option<Self>, NameError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        // Before the work of normalising.
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

    /// A name as an earlier version may have stored it, which was less strict.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is compared by searches.
    pub fn key(&self) -> String {
        search_key(&self.0)
    }
}

/// A text as searches compare it: in lower case and in form NFC, which lower case can leave.
pub(crate) fn search_key(text: &str) -> String {
    text.nfc().collect::<String>().to_lowercase().nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_as_it_is_typed() {
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
    fn a_name_that_hides_something_says_which_character() {
        for (text, why) in [
            ("a\u{0}b", "holds the control character U+0000 NULL"),
            ("a\nb", "holds the control character U+000A LINE FEED"),
            ("a\u{2028}b", "holds the control character U+2028 LINE SEPARATOR"),
            ("a\u{85}b", "holds the control character U+0085"),
            ("a\u{FFFF}b", "holds the control character U+FFFF"),
            (
                "Ada \u{202E}moc",
                "holds U+202E RIGHT-TO-LEFT OVERRIDE, which changes the direction of the text around it",
            ),
            (
                "Ada\u{2067}",
                "holds U+2067 RIGHT-TO-LEFT ISOLATE, which changes the direction of the text around it",
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
    fn spellings_that_look_the_same_are_the_same() {
        let (composed, decomposed) = ("Åsa José", "A\u{30A}sa Jose\u{301}");
        assert_ne!(composed, decomposed);
        let [one, other] = [composed, decomposed].map(|text| Name::parse(text).unwrap().unwrap());
        assert_eq!(one, other);
        assert_eq!(one.key(), "åsa josé");
        assert_eq!(search_key("JOSE\u{301}"), "josé");
        // Lower case can fall apart, and stays as long as the column takes.
        let longest = Name::parse(&"İ".repeat(200)).unwrap().unwrap();
        assert_eq!(longest.key().chars().count(), 400);
    }

    #[test]
    fn a_name_is_measured_as_it_is_stored() {
        assert!(Name::parse(&"e\u{301}".repeat(200)).is_ok());
        for text in ["x".repeat(201), "e\u{301}".repeat(201), "\u{1D15E}".repeat(101)] {
            assert_eq!(Name::parse(&text), Err(NameError::TooLong), "{text}");
        }
    }
}
