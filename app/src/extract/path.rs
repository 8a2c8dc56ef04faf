//! Path parameters, parsed by the handler so that 403 and 422 take precedence over 404.

use std::marker::PhantomData;

use aide::openapi::{Parameter, PathStyle};
use aide::operation::add_parameters;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use guestlist_domain::{InvitationId, JobId, QueueName, SessionId, UserId};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::openapi::operation::{GenContext, Operation, OperationInput, add_problems, parameter};
use crate::openapi::schemas;
use crate::problem::{Code, Problem};

/// A type that identifies a resource in a path.
pub trait Identifier: Sized {
    /// The resource, as error messages name it.
    const RESOURCE: &'static str;
    /// The parameter's name in the route.
    const PARAMETER: &'static str = "id";

    /// Parses the parameter; `None` if no resource can have this identifier.
    fn parse(text: &str) -> Option<Self>;

    fn schema() -> Schema {
        json_schema!({ "type": "string", "format": "uuid" })
    }
}

macro_rules! uuid_identifiers {
    ($($id:ident $resource:literal),+ $(,)?) => {$(
        impl Identifier for $id {
            const RESOURCE: &'static str = $resource;

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )+};
}

uuid_identifiers!(InvitationId "invitation", JobId "job", SessionId "session", UserId "user");

impl Identifier for QueueName {
    const RESOURCE: &'static str = "queue";
    const PARAMETER: &'static str = "name";

    fn parse(text: &str) -> Option<Self> {
        QueueName::parse(text)
    }

    fn schema() -> Schema {
        schemas::Queue::json_schema(&mut SchemaGenerator::default())
    }
}

/// The only parameter of a path.
#[derive(Debug)]
pub struct PathParam<T>(String, PhantomData<T>);

impl<T: Identifier> PathParam<T> {
    /// Parses the parameter. Anything malformed is 404.
    pub fn parse(&self) -> Result<T, Problem> {
        T::parse(&self.0).ok_or_else(|| Problem::not_found(T::RESOURCE))
    }
}

impl<S: Send + Sync, T> FromRequestParts<S> for PathParam<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let path = path.map_err(|_| Problem::not_found("route"))?;
        Ok(Self(path.0, PhantomData))
    }
}

impl<T: Identifier> OperationInput for PathParam<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let description = format!("The {}'s {}.", T::RESOURCE, T::PARAMETER);
        let parameter_data = parameter(T::PARAMETER, &description, T::schema());
        let parameter = Parameter::Path { parameter_data, style: PathStyle::Simple };
        add_parameters(ctx, operation, [parameter]);
        add_problems(operation, &[Code::NotFound]);
    }
}
