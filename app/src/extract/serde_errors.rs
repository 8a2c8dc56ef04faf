//! Errors of `serde`, in plain words.

use serde_path_to_error::{Path, Segment};

use super::json::escape;
use crate::problem::FieldError;

/// Rewords a `serde` message about the value at `path`.
pub fn field_error(path: &Path, message: &str) -> FieldError {
    let pointer: String = path.iter().map(step).collect();
    let member = |name: &str| {
        let name = format!("/{}", escape(name));
        // Some messages name a member that is in the path already.
        if pointer.ends_with(&name) { pointer.clone() } else { pointer.clone() + &name }
    };
    if let Some(name) = quoted(message, "missing field ") {
        return FieldError { pointer: member(name), detail: "is missing".to_owned() };
    }
    if let Some(name) = quoted(message, "duplicate field ") {
        return FieldError { pointer: member(name), detail: "is given more than once".to_owned() };
    }
    if let Some(name) = quoted(message, "unknown field ") {
        return FieldError { pointer: member(name), detail: unknown_field(message) };
    }
    FieldError { pointer, detail: type_error(message) }
}

fn step(segment: &Segment) -> String {
    match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", escape(key)),
        Segment::Enum { variant } => format!("/{}", escape(variant)),
        Segment::Unknown => String::new(),
    }
}

/// Returns the name in backquotes after a prefix.
fn quoted<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message.strip_prefix(prefix)?.strip_prefix('`')?.split('`').next()
}

fn unknown_field(message: &str) -> String {
    let known: Vec<_> = message.split('`').skip(3).step_by(2).collect();
    match known.as_slice() {
        [] => "is unknown".to_owned(),
        known => format!("is unknown; allowed: {}", known.join(", ")),
    }
}

fn type_error(message: &str) -> String {
    // The message quotes the value, which may contain anything; the expected type comes last.
    let expected = message.rsplit_once(", expected ").map(|(_, expected)| expected);
    let is_id = |text: &str| text.to_ascii_lowercase().contains("uuid");
    if message.starts_with("UUID parsing failed") || expected.is_some_and(is_id) {
        return "must be an id".to_owned();
    }
    let Some(expected) = expected else {
        let is_number = message.contains("invalid digit") || message.contains("number too");
        return if is_number { "must be a whole number".to_owned() } else { message.to_owned() };
    };
    let expected = match expected {
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "isize" | "usize" => {
            "a whole number"
        }
        "f32" | "f64" | "a JSON number" => "a number",
        "a boolean" => "true or false",
        "a map" | "struct" => "an object",
        "a sequence" => "a list",
        "unit" => "null",
        other => other,
    };
    format!("must be {}", expected.replace('`', ""))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Map, Number, Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, expecting = "an object with a text")]
    struct Sample {
        #[expect(dead_code, reason = "only read into")]
        text: String,
        #[expect(dead_code, reason = "only read into")]
        count: Option<i64>,
        #[expect(dead_code, reason = "only read into")]
        number: Option<Number>,
        #[expect(dead_code, reason = "only read into")]
        flag: Option<bool>,
        #[expect(dead_code, reason = "only read into")]
        id: Option<uuid::Uuid>,
        #[expect(dead_code, reason = "only read into")]
        map: Option<Map<String, Value>>,
        #[expect(dead_code, reason = "only read into")]
        list: Option<Vec<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        #[expect(dead_code, reason = "only read into")]
        deep: u32,
    }

    fn error_of(value: Value) -> String {
        let error = serde_path_to_error::deserialize::<_, Sample>(value).unwrap_err();
        let FieldError { pointer, detail } = field_error(error.path(), &error.inner().to_string());
        format!("{pointer} {detail}")
    }

    #[test]
    fn messages_do_not_mention_rust() {
        let with = |name: &str, value: Value| {
            let mut sample = json!({ "text": "" });
            sample[name] = value;
            error_of(sample)
        };
        let allowed = "text, count, number, flag, id, map, list";
        assert_eq!(error_of(json!({})), "/text is missing");
        assert_eq!(with("x", json!(1)), format!("/x is unknown; allowed: {allowed}"));
        for (name, value, detail) in [
            ("text", json!(5), "must be a string"),
            ("text", Value::Null, "must be a string"),
            ("count", json!("5"), "must be a whole number"),
            ("count", json!(1.5), "must be a whole number"),
            ("count", json!(u64::MAX), "must be a whole number"),
            ("number", json!("60"), "must be a number"),
            ("flag", json!("yes"), "must be true or false"),
            ("id", json!("x"), "must be an id"),
            ("id", json!(5), "must be an id"),
            ("map", json!([]), "must be an object"),
            ("count", json!("uuid"), "must be a whole number"),
            ("count", json!("x, expected y"), "must be a whole number"),
            ("list", json!({}), "must be a list"),
        ] {
            assert_eq!(with(name, value), format!("/{name} {detail}"));
        }
        assert_eq!(with("list", json!([{}])), "/list/0/deep is missing");
    }
}
