//! Finds the numbers of a JSON text, and tells whether parsing preserves their value.

use serde_json::Number;

/// The numbers of a JSON text as written, in order. If the text is not valid JSON, they are
/// meaningless; the parser reports that.
#[derive(Debug, Default)]
pub struct Numbers<'t>(pub &'t [u8]);

impl<'t> Iterator for Numbers<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        loop {
            let start = self.0.iter().position(|b| matches!(b, b'"' | b'-' | b'0'..=b'9'))?;
            let (text, rest) = (&self.0[start..], &self.0[start + 1..]);
            if text[0] == b'"' {
                self.0 = after_string(rest);
                continue;
            }
            let is_part = |b: &u8| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
            let end = text.iter().position(|b| !is_part(b)).unwrap_or(text.len());
            self.0 = &text[end..];
            return str::from_utf8(&text[..end]).ok();
        }
    }
}

/// Returns the text after a string, given the text after its opening quote.
fn after_string(mut text: &[u8]) -> &[u8] {
    while let Some(at) = text.iter().position(|b| matches!(b, b'"' | b'\\')) {
        if text[at] == b'"' {
            return &text[at + 1..];
        }
        text = text.get(at + 2..).unwrap_or_default();
    }
    &[]
}

/// Returns whether a number as written has the same value as the parsed one.
pub fn is_exact(text: &str, parsed: &Number) -> bool {
    let written = Decimal::parse(text);
    written.is_some() && written == Decimal::parse(&parsed.to_string())
}

/// A decimal number in canonical form: its digits without leading and trailing zeros, and the power
/// of ten of the last digit.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let unsigned = mantissa.trim_start_matches('-');
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_end_matches('0');
        let zeros = i64::try_from(all.len() - digits.len()).ok()?;
        let decimals = i64::try_from(fraction.len()).ok()?;
        let digits = digits.trim_start_matches('0').to_owned();
        let is_negative = mantissa.starts_with('-');
        if digits.is_empty() {
            return Some(Self { is_negative, digits, exponent: 0 });
        }
        let exponent = exponent.parse::<i64>().ok()?.checked_add(zeros)?.checked_sub(decimals)?;
        Some(Self { is_negative, digits, exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_exact(text: &str) -> bool {
        super::is_exact(text, &serde_json::from_str(text).unwrap())
    }

    #[test]
    fn only_numbers_outside_of_strings_are_found() {
        let text = r#"{"a1": -1.5e+3, "b\"2": [0,"3\\",4], "c": 5}"#;
        assert_eq!(Numbers(text.as_bytes()).collect::<Vec<_>>(), ["-1.5e+3", "0", "4", "5"]);
    }

    #[test]
    fn a_number_is_exact_if_it_serializes_to_the_same_value() {
        for text in [
            "0",
            "-0",
            "0.0",
            "-0.0e7",
            "1",
            "1.0",
            "1.50",
            "1e2",
            "1E+2",
            "100",
            "0.1",
            "-122.41941550000001",
            "0.30000000000000004",
            "5e-324",
            "1.7976931348623157e308",
            "1e23",
            "9007199254740993",
            "18446744073709551615",
            "-9223372036854775808",
            "0e99",
            "2.2250738585072014e-308",
        ] {
            assert!(is_exact(text), "{text}");
        }
        for text in [
            "0.1000000000000000055511151231257827",
            "12345678901234567890123",
            "18446744073709551616",
            "-9223372036854775809",
            "9007199254740993.0",
            "1e-400",
            "3.14159265358979323846",
        ] {
            assert!(!is_exact(text), "{text}");
        }
    }
}
