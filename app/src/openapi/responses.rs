//! Documents the problems of each operation, by the codes that its extractors and its route list.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::operation::{IDEMPOTENCY_KEY, PROBLEMS};
use crate::problem::{Code, is_api_path};

/// The problems of every operation that uses the database.
const COMMON: &[Code] = &[Code::InternalError, Code::DatabaseUnavailable, Code::Timeout];

/// The names of responses with several codes that operations share.
const NAMES: &[(&str, &[Code])] = &[
    (
        "Unauthorized",
        &[
            Code::SessionMissing,
            Code::SessionExpired,
            Code::SessionRevoked,
            Code::JwtExpired,
            Code::ApiKeyInvalid,
        ],
    ),
    ("ForbiddenOrCrossOrigin", &[Code::Forbidden, Code::ScopeMissing, Code::CrossOrigin]),
    (
        "ForbiddenOrRoleNotGrantable",
        &[Code::Forbidden, Code::ScopeMissing, Code::RoleNotGrantable, Code::CrossOrigin],
    ),
    ("ServiceUnavailable", &[Code::DatabaseUnavailable, Code::ProviderUnavailable, Code::Timeout]),
    (
        "InvalidRequestOrIdempotencyKey",
        &[Code::InvalidRequest, Code::IdempotencyKeyInvalid, Code::IdempotencyKeyReused],
    ),
];

/// Problem responses by their name in `components`.
#[derive(Debug, Default)]
pub struct ProblemResponses(Map<String, Value>);

impl ProblemResponses {
    /// Returns the content of `components.responses`.
    pub fn into_components(self) -> Value {
        self.0.into()
    }

    /// Adds an operation's problems, and the headers of all its responses.
    pub fn document(&mut self, path: &str, method: &str, operation: &mut Value) {
        let is_page = !is_api_path(path);
        let is_idempotent = operation["parameters"].to_string().contains(IDEMPOTENCY_KEY);
        for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            let status = status.parse().unwrap_or_default();
            add_headers(response, status, is_idempotent);
        }
        let id = operation["operationId"].as_str().map(pascal_case).unwrap_or_default();
        for (status, codes) in take_codes(path, method, operation) {
            let mut response = problem_response(&codes, is_page);
            add_headers(&mut response, status, is_idempotent);
            let suffix = match (is_page, is_idempotent) {
                (true, _) => "Html",
                (false, true) if has_replay_header(status) => "Replayable",
                (false, _) => "",
            };
            let name = format!("{}{suffix}", name(&codes, status, &id));
            let reference = json!({ "$ref": format!("#/components/responses/{name}") });
            operation["responses"][status.as_u16().to_string()] = reference;
            self.0.insert(name, response);
        }
    }
}

/// Names a response by its codes, or by its operation and status where there are too many.
fn name(codes: &[Code], status: StatusCode, operation: &str) -> String {
    if let Some((name, _)) = NAMES.iter().find(|(_, named)| *named == codes) {
        return (*name).to_owned();
    }
    match codes {
        [code] => pascal_case(code.as_str()),
        [one, other] => format!("{}Or{}", pascal_case(one.as_str()), pascal_case(other.as_str())),
        _ => {
            let reason = status.canonical_reason().unwrap_or("Error").replace(' ', "");
            format!("{operation}{reason}")
        }
    }
}

fn pascal_case(snake_case: &str) -> String {
    let words = snake_case.split('_').filter_map(|word| word.split_at_checked(1));
    words.map(|(first, rest)| first.to_ascii_uppercase() + rest).collect()
}

/// Removes the list of codes from an operation, and returns it by status.
fn take_codes(path: &str, method: &str, operation: &mut Value) -> BTreeMap<StatusCode, Vec<Code>> {
    let listed = operation.as_object_mut().and_then(|members| members.remove(PROBLEMS));
    let listed: Vec<String> =
        listed.and_then(|listed| serde_json::from_value(listed).ok()).unwrap_or_default();
    let security = operation["security"].as_array().map(Vec::as_slice).unwrap_or_default();
    let accepts_cookie = security.iter().any(|scheme| scheme.get("cookie").is_some());
    let is_unsafe = !matches!(method, "get" | "head");
    let mut by_status: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for code in Code::ALL {
        let is_possible = listed.iter().any(|listed| listed == code.as_str())
            || (path != "/healthz" && COMMON.contains(code))
            || (*code == Code::CrossOrigin && accepts_cookie && is_unsafe);
        if is_possible {
            by_status.entry(code.status()).or_default().push(*code);
        }
    }
    by_status
}

fn problem_response(codes: &[Code], is_page: bool) -> Value {
    let lines = codes.iter().map(|code| format!("- `{}`: {}", code.as_str(), code.meaning()));
    let names: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    let mut response = json!({
        "description": lines.collect::<Vec<_>>().join("\n"),
        "content": { "application/problem+json": { "schema": { "allOf": [
            { "$ref": "#/components/schemas/Problem" },
            { "properties": { "code": { "enum": names } } },
        ] } } },
    });
    if is_page {
        response["content"]["text/html"] = json!({});
    }
    response
}

/// Returns whether a response with this status may be replayed and has no other headers of its own.
fn has_replay_header(status: StatusCode) -> bool {
    !matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::SEE_OTHER
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::SERVICE_UNAVAILABLE
    )
}

fn add_headers(response: &mut Value, status: StatusCode, is_idempotent: bool) {
    let mut names = vec!["X-Request-Id"];
    match status {
        StatusCode::UNAUTHORIZED => names.push("WWW-Authenticate"),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            names.push("Retry-After");
        }
        StatusCode::SEE_OTHER => names.push("Location"),
        status if is_idempotent && has_replay_header(status) => names.push("Idempotent-Replayed"),
        _ => {}
    }
    for name in names {
        response["headers"][name] = json!({ "$ref": format!("#/components/headers/{name}") });
    }
}
