//! Bodies and queries, parsed strictly: unknown fields and parameters are refused.

use std::error::Error;

use aide::operation::{ParamLocation, add_parameters, parameters_from_schema};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use http_listener::BodyTimedOut;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::Value;

use super::json;
use super::serde_errors::field_error;
use crate::openapi::operation::{GenContext, Operation, OperationInput, add_body, add_problems};
use crate::problem::{Code, FieldError, Problem};

/// The largest body, in bytes.
pub const BODY_LIMIT: usize = 1024 * 1024;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A JSON body, which must be an object.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

#[derive(Debug)]
pub struct Form<T>(pub T);

/// Query parameters, parsed strictly.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        require_content_type(request.headers(), JSON)?;
        let bytes = read_body(request, state).await?;
        from_object(json::parse(&bytes)?).map(Self)
    }
}

/// A body that may be left out. It counts as left out if there is no `Content-Type`.
impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        if request.headers().get(header::CONTENT_TYPE).is_none() {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        require_content_type(request.headers(), FORM)?;
        let bytes = read_body(request, state).await?;
        from_pairs(&bytes).map(Self).map_err(|error| Problem::invalid(vec![error]))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        from_pairs(query.as_bytes()).map(Self).map_err(|error| {
            let name = error.pointer.trim_start_matches('/');
            let detail = match name {
                "" => format!("The query {}.", error.detail),
                name => format!("The query parameter `{name}` {}.", error.detail),
            };
            Problem { errors: vec![error], ..Problem::new(Code::InvalidQuery, detail) }
        })
    }
}

fn from_pairs<T: DeserializeOwned>(pairs: &[u8]) -> Result<T, FieldError> {
    deserialize(serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(pairs)))
}

fn deserialize<'de, T: DeserializeOwned>(from: impl Deserializer<'de>) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(from)
        .map_err(|error| field_error(error.path(), &error.inner().to_string()))
}

fn require_content_type(headers: &HeaderMap, expected: &str) -> Result<(), Problem> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    if encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let detail = "Content-Encoding is not supported. Send the body uncompressed.";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.and_then(|given| given.split(';').next()).map(str::trim);
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case(expected)) {
        return Ok(());
    }
    let detail = format!("Send the body as {expected}, and set Content-Type accordingly.");
    Err(Problem::new(Code::UnsupportedMediaType, detail))
}

pub async fn read_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| body_problem(&rejection))
}

fn body_problem(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Code::BodyTooLarge.into();
    }
    let mut causes = std::iter::successors(rejection.source(), |error| (**error).source());
    if causes.any(<dyn Error>::is::<BodyTimedOut>) {
        return Code::BodyTimeout.into();
    }
    Code::MalformedBody.into()
}

fn from_object<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    // `serde` would accept an array and assign its items to the fields by position.
    if !value.is_object() {
        let detail = "must be an object".to_owned();
        return Err(Problem::invalid(vec![FieldError { pointer: String::new(), detail }]));
    }
    deserialize(value).map_err(|error| Problem::invalid(vec![error]))
}

impl<T: JsonSchema> OperationInput for JsonBody<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        document_body::<T>(ctx, operation, JSON);
        add_problems(operation, &[Code::MalformedJson]);
    }
}

impl<T: JsonSchema> OperationInput for Form<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        document_body::<T>(ctx, operation, FORM);
    }
}

fn document_body<T: JsonSchema>(ctx: &mut GenContext, operation: &mut Operation, kind: &str) {
    let schema = ctx.schema.subschema_for::<T>();
    add_body(ctx, operation, kind, schema);
    add_problems(operation, &[Code::UnsupportedMediaType, Code::InvalidRequest]);
}

impl<T: JsonSchema> OperationInput for Query<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        // Inlined, since each parameter needs a schema of its own.
        let settings =
            SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let schema = settings.into_generator().into_root_schema_for::<T>();
        let parameters = parameters_from_schema(ctx, schema, ParamLocation::Query);
        add_parameters(ctx, operation, parameters);
        add_problems(operation, &[Code::InvalidQuery, Code::InvalidRequest]);
    }
}
