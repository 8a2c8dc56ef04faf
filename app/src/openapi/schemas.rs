//! JSON Schemas of the API's values. Enumerations and limits are taken from the domain.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::Deref;

mod domain {
    pub use guestlist_domain::QueueName as Queue;
    pub use guestlist_domain::*;
}
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

/// A time: RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

/// Schemas of values that have no type in this crate.
macro_rules! schemas {
    ($($(#[doc = $doc:literal])+ $name:ident = $schema:tt;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub enum $name {}

        impl_schema! { $(#[doc = $doc])+ $name = $schema; }
    )+};
}

macro_rules! impl_schema {
    ($(#[doc = $doc:literal])+ $name:ident = $schema:tt;) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema = json_schema!($schema);
                schema.insert("description".to_owned(), concat!($($doc),+).trim().into());
                schema
            }
        }
    };
}

/// Schemas of the domain's enumerations, whose values responses contain.
macro_rules! enumerations {
    ($($(#[doc = $doc:literal])+ $name:ident;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Serialize)]
        #[serde(transparent)]
        pub struct $name(&'static str);

        impl From<domain::$name> for $name {
            fn from(value: domain::$name) -> Self {
                Self(value.as_str())
            }
        }

        impl_schema! {
            $(#[doc = $doc])+
            $name = {
                "type": "string",
                "enum": domain::$name::ALL.iter().map(|value| value.as_str()).collect::<Vec<_>>(),
            };
        }
    )+};
}

/// Text of a request that its handler still has to parse. It is documented by the schema `S` of
/// valid values.
#[derive(Debug, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Unchecked<S>(String, PhantomData<S>);

impl<S> Deref for Unchecked<S> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<S: JsonSchema> JsonSchema for Unchecked<S> {
    fn schema_name() -> Cow<'static, str> {
        S::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        S::json_schema(generator)
    }
}

enumerations! {
    /// A user's role in Guestlist. Your application's own roles belong in `metadata`.
    Role;
    /// A user's status.
    UserStatus;
    /// An invitation's status.
    InvitationStatus;
    /// Why a job or an invitation is held back.
    HeldBy;
    /// A queue's name.
    Queue;
    /// The kind of an event.
    EventKind;
}

schemas! {
    /// An email address. It is converted to lower case, surrounding white space is removed, and an
    /// international domain is converted to its `xn--` form.
    Email = {
        "type": "string",
        "format": "email",
        "maxLength": 254,
        "pattern": "^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@\
                    ([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\\.)+\
                    [A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$",
        "examples": ["ada@example.com"],
    };
    /// A person's name, normalized to NFC. A blank name counts as no name; any other must have a
    /// visible character.
    Name = {
        "type": "string",
        "maxLength": 200,
        "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]*$",
        "examples": ["Ada Lovelace"],
    };
    /// The id of a user or an API key, `cli` or `system`.
    ActorId = {
        "type": "string",
        "pattern": "^(cli|system|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$",
    };
    /// Where the user is sent after logging in: a path on this host, or a URL of an origin in
    /// APP_ORIGINS.
    ReturnTo = { "type": "string", "maxLength": 2000 };
    /// A job's state. A `held` job is due but held back; see `held_by`.
    JobState = {
        "type": "string",
        "enum": domain::JobState::ALL.iter().map(|state| state.as_str()).chain(["held"])
            .collect::<Vec<_>>(),
    };
    /// A status that an administrator can set, once the user has accepted an invitation.
    SettableUserStatus = { "type": "string", "enum": ["active", "suspended"] };
    /// The `next_cursor` of the previous page.
    Cursor = { "type": "string", "pattern": "^[A-Za-z0-9_-]{21}[AQgw]$" };
    /// The `next_cursor` of the previous page. It is valid only with the same `q`.
    SearchCursor = { "type": "string", "pattern": "^[A-Za-z0-9_-]{22,}$" };
    /// The most items to return.
    Limit = { "type": "integer", "minimum": 1, "maximum": 200, "default": 50 };
    /// Your application's own data about a user, at most 8 KiB as JSON.
    Metadata = { "type": "object", "examples": [{ "team": "blue" }] };
    /// Details of the event; the members depend on its kind.
    EventDetail = { "type": ["object", "null"] };
    /// How long an invitation is valid, in minutes.
    ExpiresInMinutes = { "type": "integer", "minimum": 5, "maximum": 10_080, "default": 10_080 };
}

impl_schema! {
    /// A time in RFC 3339 format, in UTC and with milliseconds.
    Time = { "type": "string", "format": "date-time", "examples": ["2026-01-31T09:30:00.000Z"] };
}

/// Marks all properties of a response as required: responses leave none out.
pub fn all_required(schema: &mut Schema) {
    let names = schema.get("properties").and_then(Value::as_object);
    let names: Vec<Value> = names.into_iter().flatten().map(|(name, _)| json!(name)).collect();
    schema.insert("required".to_owned(), names.into());
}

/// Removes defaults from the properties of a partial update, where a property that is left out
/// stays unchanged.
pub fn partial_update(schema: &mut Schema) {
    let Some(Value::Object(mut properties)) = schema.remove("properties") else { return };
    for property in properties.values_mut().filter_map(Value::as_object_mut) {
        property.remove("default");
    }
    schema.insert("properties".to_owned(), properties.into());
}

/// Makes all properties optional and not nullable, as query parameters are.
pub fn query_parameters(schema: &mut Schema) {
    schema.remove("required");
    let Some(Value::Object(mut properties)) = schema.remove("properties") else { return };
    properties.values_mut().for_each(remove_null);
    schema.insert("properties".to_owned(), properties.into());
}

fn remove_null(property: &mut Value) {
    let Some(property) = property.as_object_mut() else { return };
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            property.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = property.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    let Some(Value::Array(mut any)) = property.remove("anyOf") else { return };
    any.retain(|schema| schema.get("type").is_none_or(|kind| kind != "null"));
    for one in any {
        if let Value::Object(members) = one {
            property.extend(members);
        }
    }
}
