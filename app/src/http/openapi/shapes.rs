//! The values of the API as JSON Schema. Those whose words or limits the domain knows are asked
//! there.

use std::borrow::Cow;

mod domain {
    pub use guestlist_domain::*;
    pub use guestlist_domain::QueueName as Queue;
}
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

macro_rules! shapes {
    ($($(#[doc = $doc:literal])+ $name:ident = $schema:tt;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub enum $name {}

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
    )+};
}

macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident;)+) => { shapes! {$(
        $(#[doc = $doc])+
        $name = {
            "type": "string",
            "enum": domain::$name::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>(),
        };
    )+} };
}

words! {
    /// What somebody may do in Guestlist. Your application's own roles belong in `metadata`.
    Role;
    /// Where a user stands.
    UserStatus;
    /// Where an invitation stands.
    InvitationStatus;
    /// What keeps a job or an invitation waiting.
    HeldBy;
    /// A queue.
    Queue;
    /// What kind of thing happened.
    EventKind;
}

shapes! {
    /// An e-mail address. Letters become lower case, white space around it is dropped, and an
    /// international domain becomes its `xn--` form.
    Email = {
        "type": "string",
        "format": "email",
        "maxLength": 254,
        "pattern": "^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@\
                    ([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\\.)+\
                    [A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$",
        "examples": ["ada@example.com"],
    };
    /// What people call them, in Unicode's form NFC. Nothing but white space is no name; of other
    /// names at least one character can be seen.
    Name = {
        "type": "string",
        "maxLength": 200,
        "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]*$",
        "examples": ["Ada Lovelace"],
    };
    /// What your application wants to keep with a person: at most 8 KiB as JSON.
    Metadata = { "type": "object", "examples": [{ "team": "blue" }] };
    /// By whom: the id of a user or of a key, `cli` or `system`.
    By = {
        "type": "string",
        "pattern": "^(cli|system|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$",
    };
    /// What else there is to say of it, by its kind.
    Detail = { "type": ["object", "null"] };
    /// Where somebody lands after coming in: a path here, or a URL of an origin in APP_ORIGINS.
    ReturnTo = { "type": "string", "maxLength": 2000 };
    /// Where a job stands. `held` is due, and kept by what `held_by` says.
    JobState = {
        "type": "string",
        "enum": domain::JobState::ALL.iter().map(|state| state.as_str()).chain(["held"])
            .collect::<Vec<_>>(),
    };
    /// Where an administrator can put a user who has come in.
    Standing = { "type": "string", "enum": ["active", "suspended"] };
    /// How long an invitation lasts.
    Minutes = { "type": "integer", "minimum": 5, "maximum": 10_080, "default": 10_080 };
    /// RFC 3339, in UTC, with milliseconds.
    Time = { "type": "string", "format": "date-time", "examples": ["2026-01-31T09:30:00.000Z"] };
    /// What `next_cursor` of the page before said.
    Cursor = { "type": "string", "pattern": "^[A-Za-z0-9_-]{21}[AQgw]$" };
    /// What `next_cursor` of the page before said. It belongs to the `q` that it was given for.
    SearchCursor = { "type": "string", "pattern": "^[A-Za-z0-9_-]{22,}$" };
    /// How many at most.
    Limit = { "type": "integer", "minimum": 1, "maximum": 200, "default": 50 };
    /// Which codes of problems there are, what each means, and with what status it comes.
    Code = {
        "type": "string",
        "oneOf": super::Code::ALL.iter().map(|code| json!({
            "const": code.as_str(),
            "title": code.status().as_u16().to_string(),
            "description": code.meaning(),
        })).collect::<Vec<_>>(),
    };
}

/// An answer holds every member that it can have.
pub fn whole(schema: &mut Schema) {
    let names = schema.get("properties").and_then(Value::as_object);
    let names: Vec<Value> = names.into_iter().flatten().map(|(name, _)| json!(name)).collect();
    schema.insert("required".to_owned(), names.into());
}

/// What is not sent stays as it is, whatever a default would say.
pub fn change(schema: &mut Schema) {
    let Some(Value::Object(mut properties)) = schema.remove("properties") else { return };
    for property in properties.values_mut().filter_map(Value::as_object_mut) {
        property.remove("default");
    }
    schema.insert("properties".to_owned(), properties.into());
}

/// A query needs none of its parameters, and knows no null.
pub fn query(schema: &mut Schema) {
    schema.remove("required");
    let Some(Value::Object(mut properties)) = schema.remove("properties") else { return };
    properties.values_mut().for_each(without_null);
    schema.insert("properties".to_owned(), properties.into());
}

fn without_null(property: &mut Value) {
    let Some(property) = property.as_object_mut() else { return };
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            property.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(words)) = property.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    let Some(Value::Array(mut any)) = property.remove("anyOf") else { return };
    any.retain(|schema| schema.get("type").is_none_or(|kind| kind != "null"));
    for one in any {
        if let Value::Object(members) = one {
            property.extend(members);
        }
    }
}
