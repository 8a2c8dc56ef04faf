//! What each extractor asks of a request, and how it refuses one.

use aide::generate::GenContext;
use aide::openapi::{
    HeaderStyle, MediaType, Operation, Parameter, ParameterData, ParameterSchemaOrContent,
    PathStyle, ReferenceOr, RequestBody, SchemaObject, SecurityRequirement,
};
use aide::operation::{ParamLocation, add_parameters, parameters_from_schema, set_body};
use aide::{OperationInput, OperationOutput};
use guestlist_domain::{InvitationId, JobId, QueueName, SessionId, UserId};
use indexmap::IndexMap;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, json_schema};

use super::told::note;
use super::{Code, shapes};
use crate::http::auth::{May, Perhaps, Person, Right, Unrestricted};
use crate::http::body::{Body, Form, Params};
use crate::http::login::{Limited, Presser};
use crate::http::named::Named;
use crate::http::origin::Ours;
use crate::http::problem::Problem;
use crate::http::webhooks::{self, Webhook};
use crate::http::world::World;

/// How a caller whose session does not hold, or whose key is none, is refused.
const UNKNOWN: &[Code] = &[
    Code::SessionMissing,
    Code::SessionExpired,
    Code::SessionRevoked,
    Code::JwtExpired,
    Code::ApiKeyInvalid,
    Code::ProviderUnavailable,
];

/// Each refusal is noted by whoever may make it.
impl OperationOutput for Problem {
    type Inner = Self;
}

impl OperationInput for World {}
impl OperationInput for Perhaps {}
impl OperationInput for crate::http::answer::Outgoing {}

impl<R: Right> OperationInput for May<R> {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let scopes = vec![R::SCOPE.as_str().to_owned()];
        require(operation, &["bearer", "basic", "cookie"], &scopes);
        note(operation, &[Code::Forbidden, Code::ScopeMissing]);
    }
}

impl OperationInput for Unrestricted {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        require(operation, &["bearer", "basic", "cookie"], &[]);
        note(operation, &[Code::Forbidden, Code::ScopeMissing]);
    }
}

impl OperationInput for Person {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        require(operation, &["bearer", "cookie"], &[]);
        note(operation, &[Code::SessionRequired]);
    }
}

impl OperationInput for Ours {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        note(operation, &[Code::CrossOrigin]);
    }
}

impl OperationInput for Limited {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        note(operation, &[Code::ApiKeyInvalid, Code::TooManyRequests, Code::CrossOrigin]);
    }
}

impl OperationInput for Presser {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        note(operation, &[Code::ApiKeyInvalid, Code::TooManyRequests]);
    }
}

impl OperationInput for Webhook {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        for name in webhooks::HEADERS {
            let schema = json_schema!({ "type": "string" });
            let parameter_data = parameter(name, schema);
            let header = Parameter::Header { parameter_data, style: HeaderStyle::Simple };
            operation.parameters.push(ReferenceOr::Item(header));
        }
        let media = MediaType {
            schema: Some(shape(json_schema!({ "type": "object" }))),
            ..MediaType::default()
        };
        let content = [("application/json".to_owned(), media)].into_iter().collect();
        set_body(ctx, operation, RequestBody { content, required: true, ..RequestBody::default() });
        note(
            operation,
            &[
                Code::SignatureInvalid,
                Code::SignatureExpired,
                Code::MalformedBody,
                Code::BodyTimeout,
                Code::BodyTooLarge,
                Code::InvalidRequest,
                Code::NotFound,
            ],
        );
    }
}

/// Any one of these is enough.
fn require(operation: &mut Operation, schemes: &[&str], scopes: &[String]) {
    let each = schemes.iter().map(|scheme| ((*scheme).to_owned(), scopes.to_vec()));
    operation.security = each.map(|one| SecurityRequirement::from_iter([one])).collect();
    note(operation, UNKNOWN);
}

impl<T: JsonSchema> OperationInput for Body<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        body::<T>(ctx, operation, "application/json");
        note(operation, &[Code::MalformedJson]);
    }
}

impl<T: JsonSchema> OperationInput for Form<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        body::<T>(ctx, operation, "application/x-www-form-urlencoded");
    }
}

fn body<T: JsonSchema>(ctx: &mut GenContext, operation: &mut Operation, kind: &str) {
    let media =
        MediaType { schema: Some(shape(ctx.schema.subschema_for::<T>())), ..MediaType::default() };
    let content = [(kind.to_owned(), media)].into_iter().collect();
    set_body(ctx, operation, RequestBody { content, required: true, ..RequestBody::default() });
    note(
        operation,
        &[
            Code::MalformedBody,
            Code::BodyTimeout,
            Code::BodyTooLarge,
            Code::UnsupportedMediaType,
            Code::InvalidRequest,
        ],
    );
}

impl<T: JsonSchema> OperationInput for Params<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        // In place: a parameter's schema is nobody else's.
        let settings =
            SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let schema = settings.into_generator().into_root_schema_for::<T>();
        let parameters = parameters_from_schema(ctx, schema, ParamLocation::Query);
        add_parameters(ctx, operation, parameters);
        note(operation, &[Code::InvalidQuery, Code::InvalidRequest]);
    }
}

/// How a part of an address is told.
pub trait Addressed {
    /// What the route's pattern calls it.
    const PARAMETER: &'static str;

    /// What it may be.
    fn schema() -> Schema;
}

macro_rules! by_id {
    ($($id:ident),+ $(,)?) => {$(
        impl Addressed for $id {
            const PARAMETER: &'static str = "id";

            fn schema() -> Schema {
                json_schema!({ "type": "string", "format": "uuid" })
            }
        }
    )+};
}

by_id!(InvitationId, JobId, SessionId, UserId);

impl Addressed for QueueName {
    const PARAMETER: &'static str = "name";

    fn schema() -> Schema {
        shapes::Queue::json_schema(&mut schemars::SchemaGenerator::default())
    }
}

impl<T: Addressed> OperationInput for Named<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let parameter_data = parameter(T::PARAMETER, T::schema());
        let parameter = Parameter::Path { parameter_data, style: PathStyle::Simple };
        add_parameters(ctx, operation, [parameter]);
        note(operation, &[Code::NotFound]);
    }
}

fn shape(json_schema: Schema) -> SchemaObject {
    SchemaObject { json_schema, external_docs: None, example: None }
}

/// What `Idempotency-Key` adds to a POST.
pub fn take_idempotency_key(operation: &mut Operation) {
    let schema = json_schema!({ "type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$" });
    let parameter_data = ParameterData {
        description: Some(
            "The same key and body within 24 hours get the first answer again, and nothing is \
             done twice."
                .to_owned(),
        ),
        required: false,
        ..parameter("Idempotency-Key", schema)
    };
    let header = Parameter::Header { parameter_data, style: HeaderStyle::Simple };
    operation.parameters.push(ReferenceOr::Item(header));
    note(
        operation,
        &[
            Code::IdempotencyKeyInUse,
            Code::IdempotencyKeyReused,
            Code::IdempotencyKeyInvalid,
            Code::MalformedBody,
            Code::BodyTimeout,
            Code::BodyTooLarge,
        ],
    );
}

fn parameter(name: &str, schema: Schema) -> ParameterData {
    ParameterData {
        name: name.to_owned(),
        description: None,
        required: true,
        deprecated: None,
        format: ParameterSchemaOrContent::Schema(shape(schema)),
        example: None,
        examples: IndexMap::default(),
        explode: None,
        extensions: IndexMap::default(),
    }
}
