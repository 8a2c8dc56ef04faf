//! Escapes text for terminals.

use std::borrow::Cow;

use guestlist_domain::changes_direction;

/// Replaces control characters by `\u001b` and the like, which is the same text in JSON. Keeps line
/// ends and tabs.
pub fn escape(text: &str) -> Cow<'_, str> {
    let is_escaped = |c: char| is_unsafe(c) && c != '\n' && c != '\t';
    if !text.chars().any(is_escaped) {
        return Cow::Borrowed(text);
    }
    let escaped = text
        .chars()
        .map(|c| if is_escaped(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() });
    Cow::Owned(escaped.collect())
}

/// Returns whether a character controls the terminal, or the direction of the surrounding text.
pub fn is_unsafe(c: char) -> bool {
    c.is_control() || changes_direction(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(escape("Zoë\t😀\n"), "Zoë\t😀\n");
        assert_eq!(
            escape("\u{1b}[31m\r\u{9b}x\u{202e}\u{7f}"),
            r"\u001b[31m\u000d\u009bx\u202e\u007f"
        );
    }
}
