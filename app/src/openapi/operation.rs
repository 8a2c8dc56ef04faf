//! Documents an operation beyond what its handler's types tell.

use aide::axum::ApiRouter;
use aide::axum::routing::ApiMethodRouter;
use aide::generate::GenContext;
use aide::openapi::{
    HeaderStyle, MediaType, Operation, Parameter, ParameterData, ParameterSchemaOrContent,
    ReferenceOr, RequestBody, Response, SchemaObject, StatusCode,
};
use aide::operation::{OperationOutput, set_body};
use aide::transform::TransformOperation;
use axum::Json;
use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::{Value, json};

use crate::problem::Code;
use crate::state::App;

/// The extension that lists an operation's problem codes until the document is finished.
pub const PROBLEMS: &str = "x-problems";

/// The header that makes a POST idempotent.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The problems of reading a body.
pub const BODY_PROBLEMS: &[Code] = &[Code::MalformedBody, Code::BodyTimeout, Code::BodyTooLarge];

/// Adds operations together with their documentation.
pub trait ApiRouterExt: Sized {
    /// Adds an operation. `method` is a function of [`aide::axum::routing`], such as `get_with`.
    fn operation<H, F>(
        self,
        method: impl FnOnce(H, F) -> ApiMethodRouter<App>,
        path: &str,
        handler: H,
        document: F,
    ) -> Self
    where
        F: FnOnce(TransformOperation<'_>) -> TransformOperation<'_>;
}

impl ApiRouterExt for ApiRouter<App> {
    fn operation<H, F>(
        self,
        method: impl FnOnce(H, F) -> ApiMethodRouter<App>,
        path: &str,
        handler: H,
        document: F,
    ) -> Self
    where
        F: FnOnce(TransformOperation<'_>) -> TransformOperation<'_>,
    {
        self.api_route(path, method(handler, document))
    }
}

/// Documents an operation.
pub trait OperationExt {
    /// Sets the operation's id and summary.
    #[must_use]
    fn named(self, id: &str, summary: &str) -> Self;

    /// Adds a response with a JSON body.
    #[must_use]
    fn json_response<const STATUS: u16, T: JsonSchema>(self, description: &str) -> Self;

    /// Adds a response with another content type, or without a body.
    #[must_use]
    fn raw_response<const STATUS: u16>(self, content_type: Option<&str>, description: &str)
    -> Self;

    /// Adds a `Location` header to a response.
    #[must_use]
    fn location_header<const STATUS: u16>(self) -> Self;

    /// Narrows the schema of one of the body's properties.
    #[must_use]
    fn body_property(self, name: &str, schema: Value) -> Self;

    #[must_use]
    fn optional_body(self) -> Self;

    /// Adds problems to those of the handler's extractors.
    #[must_use]
    fn problems(self, codes: &[Code]) -> Self;
}

impl OperationExt for TransformOperation<'_> {
    fn named(self, id: &str, summary: &str) -> Self {
        self.id(id).summary(summary)
    }

    fn json_response<const STATUS: u16, T: JsonSchema>(self, description: &str) -> Self {
        self.response_with::<STATUS, Json<T>, _>(|response| response.description(description))
    }

    fn raw_response<const STATUS: u16>(
        self,
        content_type: Option<&str>,
        description: &str,
    ) -> Self {
        let content = content_type.map(|kind| (kind.to_owned(), MediaType::default()));
        self.response_with::<STATUS, Raw, _>(|mut response| {
            *response.inner() = Response {
                description: description.to_owned(),
                content: content.into_iter().collect(),
                ..Response::default()
            };
            response
        })
    }

    fn location_header<const STATUS: u16>(mut self) -> Self {
        let responses = self.inner_mut().responses.as_mut();
        let response = responses.and_then(|all| all.responses.get_mut(&StatusCode::Code(STATUS)));
        if let Some(ReferenceOr::Item(response)) = response {
            let reference = "#/components/headers/Location".to_owned();
            let header = ReferenceOr::Reference { reference, summary: None, description: None };
            response.headers.insert("Location".to_owned(), header);
        }
        self
    }

    fn body_property(mut self, name: &str, schema: Value) -> Self {
        if let Some(ReferenceOr::Item(body)) = &mut self.inner_mut().request_body {
            for object in body.content.values_mut().filter_map(|media| media.schema.as_mut()) {
                let original = &object.json_schema;
                let narrowed = json!({ "properties": { name: schema } });
                object.json_schema = json_schema!({ "allOf": [original, narrowed] });
            }
        }
        self
    }

    fn optional_body(mut self) -> Self {
        if let Some(ReferenceOr::Item(body)) = &mut self.inner_mut().request_body {
            body.required = false;
        }
        self
    }

    fn problems(mut self, codes: &[Code]) -> Self {
        add_problems(self.inner_mut(), codes);
        self
    }
}

/// A response whose body has no schema.
struct Raw;

impl OperationOutput for Raw {
    type Inner = Self;

    fn operation_response(_: &mut GenContext, _: &mut Operation) -> Option<Response> {
        Some(Response::default())
    }
}

/// Adds codes to an operation's problems.
pub fn add_problems(operation: &mut Operation, codes: &[Code]) {
    let all = operation.extensions.entry(PROBLEMS.to_owned()).or_insert_with(|| json!([]));
    if let Value::Array(all) = all {
        all.extend(codes.iter().map(|code| json!(code.as_str())));
    }
}

/// Documents a request header.
pub fn add_header(
    operation: &mut Operation,
    name: &str,
    description: &str,
    required: bool,
    schema: Schema,
) {
    let parameter_data = ParameterData { required, ..parameter(name, description, schema) };
    let header = Parameter::Header { parameter_data, style: HeaderStyle::Simple };
    operation.parameters.push(ReferenceOr::Item(header));
}

/// Documents a required body, and the problems of reading it.
pub fn add_body(ctx: &mut GenContext, operation: &mut Operation, kind: &str, schema: Schema) {
    let schema = SchemaObject { json_schema: schema, external_docs: None, example: None };
    let media = MediaType { schema: Some(schema), ..MediaType::default() };
    let content = [(kind.to_owned(), media)].into_iter().collect();
    set_body(ctx, operation, RequestBody { content, required: true, ..RequestBody::default() });
    add_problems(operation, BODY_PROBLEMS);
}

/// Creates a required parameter.
pub fn parameter(name: &str, description: &str, json_schema: Schema) -> ParameterData {
    let schema = SchemaObject { json_schema, external_docs: None, example: None };
    ParameterData {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required: true,
        deprecated: None,
        format: ParameterSchemaOrContent::Schema(schema),
        example: None,
        examples: IndexMap::default(),
        explode: None,
        extensions: IndexMap::default(),
    }
}
