//! Validates responses against the API's OpenAPI document.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use super::response::Response;

/// The committed document. A test of the application asserts that it is the one that is served.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../app/openapi.json");
    let mut document: Value = serde_json::from_str(text).unwrap();
    // The allowed origins depend on the installation.
    let return_to = document["components"]["schemas"]["ReturnTo"].as_object_mut();
    let _ = return_to.unwrap().remove("pattern");
    document
});

static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// An operation of the OpenAPI document.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The method in lower case.
    pub method: String,
    /// The path template, such as `/v1/users/{id}`.
    pub path: String,
    /// The operation object.
    pub definition: &'static Value,
}

/// Returns every operation.
pub fn operations() -> Vec<Operation> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(|(method, definition)| Operation {
            method: method.clone(),
            path: path.clone(),
            definition,
        })
    });
    each.collect()
}

/// Asserts that the document lists the response's route, status, content type and body.
pub(crate) fn validate(method: &Method, target: &str, response: &Response) {
    let (request, status) = (&response.request, response.status);
    let path = target.split('?').next().unwrap_or_default();
    let Some((template, item)) = find_path(path) else {
        let is_public = path.starts_with("/v1");
        assert!(!is_public || status == 404, "{request}: undocumented route, status {status}");
        return;
    };
    let method = match method.as_str() {
        "HEAD" => "get".to_owned(),
        other => other.to_ascii_lowercase(),
    };
    let Some(definition) = item.get(&method) else {
        let is_expected = method == "options" || status == 405;
        assert!(is_expected, "{request}: undocumented method, status {status}");
        return;
    };
    let documented = resolve(&definition["responses"][&status.to_string()]);
    assert!(documented.is_object(), "{request}: undocumented status {status}: {}", response.body);
    if !request.starts_with("HEAD") {
        validate_content(&format!("{method} {template} {status}"), documented, response);
    }
}

fn validate_content(name: &str, documented: &Value, response: &Response) {
    let content_type = response.header("content-type").unwrap_or_default();
    let Some(content) = documented["content"].as_object() else {
        assert_eq!(response.body, "", "{name}: no body is documented");
        return;
    };
    let essence = |kind: &str| kind.split(';').next().unwrap_or_default().trim().to_owned();
    let media = content.iter().find(|(kind, _)| essence(kind) == essence(content_type));
    let Some((_, media)) = media else {
        // The body of a redirect is optional.
        let is_redirect = response.body.is_empty() && response.status == 303;
        assert!(is_redirect, "{name}: undocumented content type {content_type:?}");
        return;
    };
    if !content_type.contains("json") {
        return;
    }
    let validator = {
        let mut all = VALIDATORS.lock().unwrap();
        let entry = all.entry(name.to_owned()).or_insert_with(|| validator(&media["schema"]));
        Arc::clone(entry)
    };
    let body = response.json();
    let errors: Vec<String> = validator
        .iter_errors(&body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{name} does not match its schema: {errors:#?}\n{body:#}");
}

fn validator(schema: &Value) -> Arc<Validator> {
    let with_components = json!({ "allOf": [schema], "components": DOCUMENT["components"] });
    Arc::new(jsonschema::validator_for(&with_components).unwrap())
}

/// Follows a `$ref` to a named response.
fn resolve(response: &'static Value) -> &'static Value {
    let Some(reference) = response["$ref"].as_str() else { return response };
    DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap()
}

/// Returns the template that matches a path with the fewest parameters, and its path item.
fn find_path(path: &str) -> Option<(&'static str, &'static Value)> {
    let matches = |template: &str| {
        let (mut template, mut path) = (template.split('/'), path.split('/'));
        loop {
            match (template.next(), path.next()) {
                (None, None) => return true,
                (Some(expected), Some(actual))
                    if expected == actual || (expected.starts_with('{') && !actual.is_empty()) => {}
                _ => return false,
            }
        }
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let matching = paths.iter().filter(|(template, _)| matches(template));
    let best = matching.min_by_key(|(template, _)| template.matches('{').count());
    best.map(|(template, item)| (template.as_str(), item))
}
