//! Documents an operation beyond what its handler's types tell.

pub use aide::OperationInput;
use aide::axum::ApiRouter;
use aide::axum::routing::ApiMethodRouter;
pub use aide::generate::GenContext;
use aide::generate::in_context;
pub use aide::openapi::Operation;
use aide::openapi::{
    HeaderStyle, MediaType, Parameter, ParameterData, ParameterSchemaOrContent, ReferenceOr,
    RequestBody, Response, SchemaObject, StatusCode,
};
use aide::operation::set_body;
use aide::transform::TransformOperation;
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

/// Adds routes together with the documentation of their operations.
pub trait ApiRouterExt: Sized {
    /// Adds a route. `method` is a function of [`aide::axum::routing`], such as `get_with`.
    #[must_use]
    fn route_with<H, F>(
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
    fn route_with<H, F>(
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
pub trait OperationExt: Sized {
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
    fn named(mut self, id: &str, summary: &str) -> Self {
        let operation = self.inner_mut();
        operation.operation_id = Some(id.to_owned());
        operation.summary = Some(summary.to_owned());
        self
    }

    fn json_response<const STATUS: u16, T: JsonSchema>(mut self, description: &str) -> Self {
        let schema = in_context(|ctx| ctx.schema.subschema_for::<T>());
        let content = Some(("application/json".to_owned(), media_type(schema)));
        add_response(self.inner_mut(), STATUS, content, description);
        self
    }

    fn raw_response<const STATUS: u16>(
        mut self,
        content_type: Option<&str>,
        description: &str,
    ) -> Self {
        let content = content_type.map(|kind| (kind.to_owned(), MediaType::default()));
        add_response(self.inner_mut(), STATUS, content, description);
        self
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

fn add_response(
    operation: &mut Operation,
    status: u16,
    content: Option<(String, MediaType)>,
    description: &str,
) {
    let (description, content) = (description.to_owned(), content.into_iter().collect());
    let response = Response { description, content, ..Response::default() };
    let all = operation.responses.get_or_insert_default();
    all.responses.insert(StatusCode::Code(status), ReferenceOr::Item(response));
}

fn media_type(schema: Schema) -> MediaType {
    MediaType { schema: Some(schema_object(schema)), ..MediaType::default() }
}

fn schema_object(json_schema: Schema) -> SchemaObject {
    SchemaObject { json_schema, external_docs: None, example: None }
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
    let content = [(kind.to_owned(), media_type(schema))].into_iter().collect();
    set_body(ctx, operation, RequestBody { content, required: true, ..RequestBody::default() });
    add_problems(operation, BODY_PROBLEMS);
}

/// Creates a required parameter.
pub fn parameter(name: &str, description: &str, schema: Schema) -> ParameterData {
    ParameterData {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required: true,
        deprecated: None,
        format: ParameterSchemaOrContent::Schema(schema_object(schema)),
        example: None,
        examples: IndexMap::default(),
        explode: None,
        extensions: IndexMap::default(),
    }
}
