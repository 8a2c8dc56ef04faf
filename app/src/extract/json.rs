//! Strict JSON parsing, which refuses duplicate members and numbers that would lose precision.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::numbers::{Numbers, is_exact};
use crate::problem::{Code, FieldError, Problem};

/// The most errors reported at once.
const MAX_ERRORS: usize = 20;
/// Members with this prefix have a special meaning to `serde_json`.
const RESERVED: &str = "$serde_json::private::";
const INEXACT: &str = "is a number that can't be stored exactly; send it as a string";

/// Parses a JSON text. Returns 400 if it is not JSON, and 422 if it has duplicate members or inexact
/// numbers.
pub fn parse(text: &[u8]) -> Result<Value, Problem> {
    let state = State { numbers: RefCell::new(Numbers(text)), ..State::default() };
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read = Strict { path: None, state: &state }.deserialize(&mut deserializer);
    let value = read.and_then(|value| deserializer.end().map(|()| value));
    let value = value.map_err(|error| malformed(&error, &state.failed_at.take()))?;
    let errors = state.errors.into_inner();
    if errors.is_empty() { Ok(value) } else { Err(Problem::invalid(errors)) }
}

fn malformed(error: &serde_json::Error, failed_at: &[String]) -> Problem {
    let text = error.to_string();
    if text.starts_with("number out of range") {
        let pointer = failed_at.iter().rev().fold(String::new(), |all, step| all + "/" + step);
        return Problem::invalid(vec![FieldError { pointer, detail: INEXACT.to_owned() }]);
    }
    let detail = if text.starts_with("recursion limit exceeded") {
        "The body is nested too deeply; at most 127 levels are allowed.".to_owned()
    } else {
        format!("The body is not valid JSON: {text}.")
    };
    Problem::new(Code::MalformedJson, detail)
}

#[derive(Default)]
struct State<'t> {
    /// The numbers as written, in order.
    numbers: RefCell<Numbers<'t>>,
    errors: RefCell<Vec<FieldError>>,
    /// The steps to the value where parsing failed, innermost first.
    failed_at: RefCell<Vec<String>>,
}

/// The path to a value. It is formatted as a JSON pointer only for errors.
struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

enum Step<'a> {
    Member(&'a str),
    Item(usize),
}

impl Path<'_> {
    fn pointer(&self) -> String {
        let parent = self.parent.map(Path::pointer).unwrap_or_default();
        format!("{parent}/{}", self.step)
    }
}

/// Escapes a member's name for a JSON pointer (RFC 6901).
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(name) => f.write_str(&escape(name)),
            Self::Item(index) => write!(f, "{index}"),
        }
    }
}

/// Deserializes one value.
struct Strict<'a, 't> {
    path: Option<&'a Path<'a>>,
    state: &'a State<'t>,
}

impl Strict<'_, '_> {
    fn add_error(&self, detail: &str) {
        let mut errors = self.state.errors.borrow_mut();
        if errors.len() < MAX_ERRORS {
            let pointer = self.path.map(Path::pointer).unwrap_or_default();
            errors.push(FieldError { pointer, detail: detail.to_owned() });
        }
    }

    fn number(&self, number: Number) -> Value {
        let text = self.state.numbers.borrow_mut().next();
        if !text.is_some_and(|text| is_exact(text, &number)) {
            self.add_error(INEXACT);
        }
        Value::Number(number)
    }

    fn within<'b>(&'b self, step: Step<'b>) -> Path<'b> {
        Path { parent: self.path, step }
    }

    fn failed_at(&self, step: &Step<'_>) {
        self.state.failed_at.borrow_mut().push(step.to_string());
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Value, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(self.number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(self.number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("number out of range"))?;
        Ok(self.number(number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let path = self.within(Step::Item(list.len()));
            let seed = Strict { path: Some(&path), state: self.state };
            let item = items.next_element_seed(seed);
            match item.inspect_err(|_| self.failed_at(&path.step))? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let mut duplicates = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            let path = self.within(Step::Member(&name));
            let value = Strict { path: Some(&path), state: self.state };
            if object.contains_key(&name) && duplicates.insert(name.clone()) {
                value.add_error("is given more than once");
            }
            if name.starts_with(RESERVED) {
                value.add_error("is a reserved name");
            }
            let value = members.next_value_seed(value);
            let value = value.inspect_err(|_| self.failed_at(&path.step))?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn errors(text: &str) -> Vec<(String, String)> {
        let problem = parse(text.as_bytes()).unwrap_err();
        assert_eq!(problem.code, Code::InvalidRequest, "{text}: {problem:?}");
        problem.errors.into_iter().map(|error| (error.pointer, error.detail)).collect()
    }

    #[test]
    fn valid_json_is_parsed_unchanged() {
        let text = r#" {"a": [1, -2.5, {"b": null, "": true}], "ключ": "Ω\u0000😀", "a/~": 0} "#;
        let expected = json!({
            "a": [1, -2.5, { "b": null, "": true }], "ключ": "Ω\u{0}😀", "a/~": 0,
        });
        assert_eq!(parse(text.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn duplicate_members_are_reported_at_every_depth() {
        let text = r#"{"a": 1, "b": [{"c": {"d/e": 1, "d/e": 2, "d/e": 3}}], "\u0061": 2}"#;
        let twice = "is given more than once".to_owned();
        assert_eq!(
            errors(text),
            [("/b/0/c/d~1e".to_owned(), twice.clone()), ("/a".to_owned(), twice)]
        );
    }

    #[test]
    fn inexact_numbers_are_reported() {
        for number in ["1e400", "-1e400", "12345678901234567890123", "0.1000000000000000055"] {
            let text = format!(r#"{{"m": {{"one": 1.5, "list": [0, {number}]}}, "other": 2}}"#);
            assert_eq!(errors(&text), [("/m/list/1".to_owned(), INEXACT.to_owned())], "{number}");
        }
        assert_eq!(errors("1e400"), [(String::new(), INEXACT.to_owned())]);
    }

    #[test]
    fn digits_in_strings_are_not_numbers() {
        let text = r#"{"1e400": "1e400", "a\"2": "\\", "b": [0.5, "x\\\"9"], "c": 7}"#;
        assert!(parse(text.as_bytes()).is_ok());
    }

    #[test]
    fn members_reserved_by_serde_json_are_refused() {
        for name in ["RawValue", "Number"] {
            let text = format!(r#"{{"a": {{"$serde_json::private::{name}": "[1]"}}}}"#);
            let pointer = format!("/a/$serde_json::private::{name}");
            assert_eq!(errors(&text), [(pointer, "is a reserved name".to_owned())]);
        }
    }

    #[test]
    fn invalid_json_is_malformed() {
        let deep = "[".repeat(500);
        for text in ["", "{", "{} x", "[1,]", "01", "nan", r#"{"a": 1, "a": }"#, deep.as_str()] {
            let problem = parse(text.as_bytes()).unwrap_err();
            assert_eq!(problem.code, Code::MalformedJson, "{text}");
        }
    }
}
