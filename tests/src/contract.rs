//! Every answer that a test gets is held against the API's description: what is not told there
//! must not come.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use crate::Answer;

/// The description, as it is committed; a test of the application holds that against what is
/// served.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../app/openapi.json");
    let mut document: Value = serde_json::from_str(text).unwrap();
    // Each installation has its own origins.
    let return_to = document["components"]["schemas"]["ReturnTo"].as_object_mut();
    let _ = return_to.unwrap().remove("pattern");
    document
});

static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// An operation that the description tells of.
#[derive(Debug, Clone)]
pub struct Operation {
    /// `get`, and so on.
    pub method: String,
    /// As in `/v1/users/{id}`.
    pub path: String,
    /// What is told of it.
    pub told: &'static Value,
}

/// Every operation.
pub fn operations() -> Vec<Operation> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(|(method, told)| Operation {
            method: method.clone(),
            path: path.clone(),
            told,
        })
    });
    each.collect()
}

/// Panics if the answer is none that the operation is told to give.
pub(crate) fn hold(method: &Method, target: &str, answer: &Answer) {
    let path = target.split('?').next().unwrap_or_default();
    let Some((template, item)) = find(path) else {
        assert!(
            !path.starts_with("/v1") || answer.status == 404,
            "{}: no such route is told of, and it answers {}",
            answer.asked,
            answer.status,
        );
        return;
    };
    let method = match method.as_str() {
        "HEAD" => "get".to_owned(),
        other => other.to_ascii_lowercase(),
    };
    let Some(told) = item.get(&method) else {
        let is_told = matches!((method.as_str(), answer.status), ("options", _) | (_, 405));
        assert!(is_told, "{}: not told of, and it answers {}", answer.asked, answer.status);
        return;
    };
    let status = answer.status.to_string();
    let response = followed(&told["responses"][&status]);
    assert!(response.is_object(), "{}: {status} is not told of: {}", answer.asked, answer.body);
    if answer.asked.starts_with("HEAD") {
        return;
    }
    hold_content(&format!("{method} {template} {status}"), response, answer);
}

fn hold_content(name: &str, response: &Value, answer: &Answer) {
    let kind = answer.header("content-type").unwrap_or_default();
    let Some(content) = response["content"].as_object() else {
        assert_eq!(answer.body, "", "{name}: a body is not told of");
        return;
    };
    let essence = |kind: &str| kind.split(';').next().unwrap_or_default().trim().to_owned();
    // An answer that leads on has a body or none.
    let media = content.iter().find(|(told, _)| essence(told) == essence(kind));
    let Some((_, media)) = media else {
        assert!(answer.body.is_empty() && answer.status == 303, "{name}: {kind:?} is not told of");
        return;
    };
    if !kind.contains("json") {
        return;
    }
    let validator = {
        let mut all = VALIDATORS.lock().unwrap();
        let made = all.entry(name.to_owned()).or_insert_with(|| validator(&media["schema"]));
        Arc::clone(made)
    };
    let body = answer.json();
    let wrong: Vec<String> = validator
        .iter_errors(&body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{name} is not as it is told: {wrong:#?}\n{body:#}");
}

fn validator(schema: &Value) -> Arc<Validator> {
    let whole = json!({ "allOf": [schema], "components": DOCUMENT["components"] });
    Arc::new(jsonschema::validator_for(&whole).unwrap())
}

fn followed(response: &'static Value) -> &'static Value {
    let Some(reference) = response["$ref"].as_str() else { return response };
    DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap()
}

/// What is told of a path: the plainest pattern that fits it.
fn find(path: &str) -> Option<(&'static str, &'static Value)> {
    let fits = |pattern: &str| {
        let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
        loop {
            match (pattern.next(), path.next()) {
                (None, None) => return true,
                (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {}
                (Some(wanted), Some(given)) if wanted == given => {}
                _ => return false,
            }
        }
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let fitting = paths.iter().filter(|(pattern, _)| fits(pattern));
    let plainest = fitting.min_by_key(|(pattern, _)| pattern.matches('{').count());
    plainest.map(|(pattern, item)| (pattern.as_str(), item))
}
