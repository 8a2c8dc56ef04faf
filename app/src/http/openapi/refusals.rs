//! How each operation may refuse, by what its extractors and its route have noted. Operations that
//! refuse alike share the answer.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::Code;
use super::told::REFUSES;
use crate::http::answer::is_for_programs;

/// What any operation may answer that needs the database.
const ALWAYS: &[Code] = &[Code::InternalError, Code::DatabaseUnavailable, Code::Timeout];

/// The answers that operations share, by name.
#[derive(Debug, Default)]
pub struct Refusals(Map<String, Value>);

impl Refusals {
    /// The answers, for `components`.
    pub fn into_responses(self) -> Value {
        self.0.into()
    }

    /// Tells how an operation may refuse, and the headers of all its answers.
    pub fn tell(&mut self, path: &str, method: &str, operation: &mut Value) {
        let is_page = !is_for_programs(path);
        let takes_key = operation["parameters"].to_string().contains("Idempotency-Key");
        for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            let status = status.parse().unwrap_or_default();
            add_headers(response, status, takes_key);
        }
        for (status, codes) in codes(path, method, operation) {
            let mut response = refusal(&codes, is_page);
            add_headers(&mut response, status, takes_key);
            let name = self.share(status, response);
            let reference = json!({ "$ref": format!("#/components/responses/{name}") });
            operation["responses"][status.as_u16().to_string()] = reference;
        }
    }

    /// The name of an answer: that of its status, and a number where there are several.
    fn share(&mut self, status: StatusCode, response: Value) -> String {
        let reason = status.canonical_reason().unwrap_or("Error").replace(' ', "");
        let numbered = (2..).map(|n| format!("{reason}{n}"));
        for name in std::iter::once(reason.clone()).chain(numbered) {
            match self.0.get(&name) {
                Some(there) if *there != response => {}
                Some(_) => return name,
                None => {
                    self.0.insert(name.clone(), response);
                    return name;
                }
            }
        }
        reason
    }
}

fn codes(path: &str, method: &str, operation: &mut Value) -> BTreeMap<StatusCode, Vec<Code>> {
    let noted = operation.as_object_mut().and_then(|members| members.remove(REFUSES));
    let noted: Vec<String> =
        noted.and_then(|noted| serde_json::from_value(noted).ok()).unwrap_or_default();
    let ways = operation["security"].as_array().map(Vec::as_slice).unwrap_or_default();
    let by_cookie = ways.iter().any(|way| way.get("cookie").is_some());
    let is_unsafe = !matches!(method, "get" | "head");
    let mut by_status: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for code in Code::ALL {
        let is_told = noted.iter().any(|noted| noted == code.as_str())
            || (path != "/healthz" && ALWAYS.contains(code))
            || (*code == Code::CrossOrigin && by_cookie && is_unsafe);
        if is_told {
            by_status.entry(code.status()).or_default().push(*code);
        }
    }
    by_status
}

fn refusal(codes: &[Code], is_page: bool) -> Value {
    let lines = codes.iter().map(|code| format!("- `{}`: {}", code.as_str(), code.meaning()));
    let words: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    let mut response = json!({
        "description": lines.collect::<Vec<_>>().join("\n"),
        "content": { "application/problem+json": { "schema": { "allOf": [
            { "$ref": "#/components/schemas/Problem" },
            { "properties": { "code": { "enum": words } } },
        ] } } },
    });
    if is_page {
        response["content"]["text/html"] = json!({});
    }
    response
}

fn add_headers(response: &mut Value, status: StatusCode, takes_key: bool) {
    let mut names = vec!["X-Request-Id"];
    match status {
        StatusCode::UNAUTHORIZED => names.push("WWW-Authenticate"),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            names.push("Retry-After");
        }
        StatusCode::SEE_OTHER => names.push("Location"),
        StatusCode::FORBIDDEN | StatusCode::INTERNAL_SERVER_ERROR => {}
        _ if takes_key => names.push("Idempotent-Replayed"),
        _ => {}
    }
    for name in names {
        response["headers"][name] = json!({ "$ref": format!("#/components/headers/{name}") });
    }
}
