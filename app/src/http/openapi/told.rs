//! What routes tell of themselves beyond what their handlers' types do.

use aide::openapi::{MediaType, Operation, ReferenceOr, Response, StatusCode};
use aide::operation::OperationOutput;
use aide::transform::TransformOperation;
use axum::Json;
use schemars::{JsonSchema, json_schema};
use serde_json::{Value, json};

use super::Code;

/// Where an operation notes, until the document is finished, how it may refuse.
pub const REFUSES: &str = "x-refuses";

/// What a route says of its operation.
pub trait Told {
    /// Its name and a line on it. The name is the handler's.
    #[must_use]
    fn told(self, id: &str, summary: &str) -> Self;

    /// An answer with a body.
    #[must_use]
    fn answers<const STATUS: u16, T: JsonSchema>(self, description: &str) -> Self;

    /// An answer of another kind than JSON, or with no body.
    #[must_use]
    fn answers_plainly<const STATUS: u16>(self, kind: Option<&str>, description: &str) -> Self;

    /// What was made can be seen where `Location` says.
    #[must_use]
    fn located<const STATUS: u16>(self) -> Self;

    /// What else is so of a member of the body.
    #[must_use]
    fn body_member(self, name: &str, schema: Value) -> Self;

    /// The body is asked for, and may be left out.
    #[must_use]
    fn body_may_be_missing(self) -> Self;

    /// What else than what its extractors say can be wrong.
    #[must_use]
    fn refuses(self, codes: &[Code]) -> Self;
}

impl Told for TransformOperation<'_> {
    fn told(self, id: &str, summary: &str) -> Self {
        self.id(id).summary(summary)
    }

    fn answers<const STATUS: u16, T: JsonSchema>(self, description: &str) -> Self {
        self.response_with::<STATUS, Json<T>, _>(|response| response.description(description))
    }

    fn answers_plainly<const STATUS: u16>(self, kind: Option<&str>, description: &str) -> Self {
        let content = kind.map(|kind| (kind.to_owned(), MediaType::default()));
        self.response_with::<STATUS, Plain, _>(|mut response| {
            *response.inner() = Response {
                description: description.to_owned(),
                content: content.into_iter().collect(),
                ..Response::default()
            };
            response
        })
    }

    fn located<const STATUS: u16>(mut self) -> Self {
        let responses = self.inner_mut().responses.as_mut();
        let response = responses.and_then(|all| all.responses.get_mut(&StatusCode::Code(STATUS)));
        if let Some(ReferenceOr::Item(response)) = response {
            let reference = "#/components/headers/Location".to_owned();
            let header = ReferenceOr::Reference { reference, summary: None, description: None };
            response.headers.insert("Location".to_owned(), header);
        }
        self
    }

    fn body_member(mut self, name: &str, schema: Value) -> Self {
        if let Some(ReferenceOr::Item(body)) = &mut self.inner_mut().request_body {
            for shape in body.content.values_mut().filter_map(|media| media.schema.as_mut()) {
                let whole = &shape.json_schema;
                let also = json!({ "properties": { name: schema } });
                shape.json_schema = json_schema!({ "allOf": [whole, also] });
            }
        }
        self
    }

    fn body_may_be_missing(mut self) -> Self {
        if let Some(ReferenceOr::Item(body)) = &mut self.inner_mut().request_body {
            body.required = false;
        }
        self
    }

    fn refuses(mut self, codes: &[Code]) -> Self {
        note(self.inner_mut(), codes);
        self
    }
}

/// An answer whose body has no schema.
#[derive(Debug)]
struct Plain;

impl OperationOutput for Plain {
    type Inner = Self;

    fn operation_response(
        _: &mut aide::generate::GenContext,
        _: &mut Operation,
    ) -> Option<Response> {
        Some(Response::default())
    }
}

/// Notes how an operation may refuse.
pub fn note(operation: &mut Operation, codes: &[Code]) {
    let noted = operation.extensions.entry(REFUSES.to_owned()).or_insert_with(|| json!([]));
    if let Value::Array(noted) = noted {
        noted.extend(codes.iter().map(|code| json!(code.as_str())));
    }
}
