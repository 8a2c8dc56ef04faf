//! The parts of the OpenAPI document that the page shows.

use serde_json::Value;

use super::prose::Prose;
use super::schema::{Field, Kind, Schema, description, example};

#[derive(Debug)]
pub struct Reference {
    pub version: String,
    pub introduction: Vec<Prose>,
    pub groups: Vec<Group>,
    pub schemas: Vec<Schema>,
}

/// The operations of one tag.
#[derive(Debug)]
pub struct Group {
    pub name: String,
    pub description: Prose,
    pub operations: Vec<Operation>,
}

#[derive(Debug)]
pub struct Operation {
    pub id: String,
    /// `GET`, `POST` and so on.
    pub method: String,
    pub path: String,
    pub summary: String,
    pub description: Prose,
    /// Scopes that a caller needs; `None` if anyone may call.
    pub scopes: Option<Vec<String>>,
    pub parameters: Vec<Parameter>,
    pub body: Option<Body>,
    pub responses: Vec<Response>,
}

#[derive(Debug)]
pub struct Parameter {
    /// `path`, `query` or `header`.
    pub place: String,
    pub field: Field,
}

#[derive(Debug)]
pub struct Body {
    pub media_type: String,
    pub kind: Kind,
    pub example: String,
}

#[derive(Debug)]
pub struct Response {
    pub status: String,
    pub description: Prose,
    pub kind: Option<Kind>,
}

impl Reference {
    pub fn new(document: &Value) -> Self {
        let info = &document["info"];
        let tags = document["tags"].as_array().into_iter().flatten();
        let schemas = document["components"]["schemas"].as_object().into_iter().flatten();
        Self {
            version: text(&info["version"]),
            introduction: Prose::paragraphs(info["description"].as_str().unwrap_or_default()),
            groups: tags.map(|tag| Group::new(document, tag)).collect(),
            schemas: schemas.map(|(name, schema)| Schema::new(name, schema)).collect(),
        }
    }
}

impl Group {
    fn new(document: &Value, tag: &Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        let operations = paths.flat_map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flatten();
            methods.map(move |(method, operation)| (path, method, operation))
        });
        let operations = operations.filter(|(.., operation)| operation["tags"][0] == tag["name"]);
        Self {
            name: text(&tag["name"]),
            description: description(tag),
            operations: operations
                .map(|(path, method, operation)| Operation::new(document, path, method, operation))
                .collect(),
        }
    }
}

impl Operation {
    fn new(document: &Value, path: &str, method: &str, operation: &Value) -> Self {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let responses = operation["responses"].as_object().into_iter().flatten();
        Self {
            id: text(&operation["operationId"]),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(&operation["summary"]),
            description: description(operation),
            scopes: operation["security"][0].as_object().map(|security| {
                security.values().filter_map(Value::as_array).flatten().map(text).collect()
            }),
            parameters: parameters
                .map(|parameter| Parameter::new(resolve(document, parameter)))
                .collect(),
            body: Body::new(document, &operation["requestBody"]),
            responses: responses
                .map(|(status, response)| Response::new(status, resolve(document, response)))
                .collect(),
        }
    }
}

impl Parameter {
    fn new(parameter: &Value) -> Self {
        let schema = &parameter["schema"];
        let own = description(parameter);
        Self {
            place: text(&parameter["in"]),
            field: Field {
                name: text(&parameter["name"]),
                kind: Kind::new(schema),
                is_required: parameter["required"] == true,
                description: if own.is_empty() { description(schema) } else { own },
            },
        }
    }
}

impl Body {
    fn new(document: &Value, body: &Value) -> Option<Self> {
        let (media_type, content) = content(resolve(document, body))?;
        let example = example(document, &content["schema"]);
        Some(Self {
            media_type: media_type.clone(),
            kind: Kind::new(&content["schema"]),
            example: serde_json::to_string_pretty(&example).unwrap_or_default(),
        })
    }
}

impl Response {
    fn new(status: &str, response: &Value) -> Self {
        let kind = content(response).map(|(_, content)| Kind::new(&content["schema"]));
        Self {
            status: status.to_owned(),
            description: description(response),
            kind: kind.filter(|kind| kind.schema.is_some()),
        }
    }
}

/// Returns the first media type of a body, and its description.
fn content(body: &Value) -> Option<(&String, &Value)> {
    body["content"].as_object()?.iter().next()
}

/// Follows a reference to another part of the document.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let path = value["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
    path.and_then(|path| document.pointer(path)).unwrap_or(value)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
