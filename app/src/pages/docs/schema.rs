//! JSON schemas, as the page describes them.

use serde_json::{Map, Value, json};

use super::prose::Prose;

const SCHEMAS: &str = "#/components/schemas/";

/// What a value may be: words, and the schema that they name.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Words before the name.
    pub before: String,
    pub schema: Option<String>,
    pub after: String,
}

/// A member of an object, or a parameter of a request.
#[derive(Debug)]
pub struct Field {
    pub name: String,
    pub kind: Kind,
    pub is_required: bool,
    pub description: Prose,
}

/// A schema that others refer to by its name.
#[derive(Debug)]
pub struct Schema {
    pub name: String,
    pub kind: Kind,
    pub description: Prose,
    pub fields: Vec<Field>,
}

impl Kind {
    pub fn new(schema: &Value) -> Self {
        let words = |text: String| Self { before: text, ..Self::default() };
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix(SCHEMAS)) {
            return Self { schema: Some(name.to_owned()), ..Self::default() };
        }
        if let Some(values) = schema["enum"].as_array() {
            let values = values.iter().filter_map(Value::as_str);
            return words(values.collect::<Vec<_>>().join(" | "));
        }
        for several in ["anyOf", "oneOf", "allOf"] {
            let Some(choices) = schema[several].as_array() else { continue };
            return Self::any_of(choices);
        }
        match &schema["type"] {
            Value::String(kind) if kind == "array" => {
                let Self { before, schema, after } = Self::new(&schema["items"]);
                Self { before: format!("list of {before}"), schema, after }
            }
            Value::String(kind) => words(with_format(kind, schema)),
            Value::Array(kinds) => {
                let kinds = kinds.iter().filter_map(Value::as_str);
                let kinds: Vec<_> = kinds.map(|kind| with_format(kind, schema)).collect();
                words(kinds.join(" or "))
            }
            _ => words("any value".to_owned()),
        }
    }

    fn any_of(choices: &[Value]) -> Self {
        let is_null = |choice: &&Value| choice["type"] == "null";
        let kinds: Vec<_> =
            choices.iter().filter(|choice| !is_null(choice)).map(Self::new).collect();
        let null = if choices.iter().any(|choice| is_null(&choice)) { " or null" } else { "" };
        match kinds.as_slice() {
            [kind] => Self { after: format!("{}{null}", kind.after), ..kind.clone() },
            several => {
                let texts: Vec<_> = several.iter().map(Self::text).collect();
                Self { before: texts.join(" or ") + null, ..Self::default() }
            }
        }
    }

    fn text(&self) -> String {
        format!("{}{}{}", self.before, self.schema.as_deref().unwrap_or_default(), self.after)
    }
}

fn with_format(kind: &str, schema: &Value) -> String {
    match schema["format"].as_str() {
        Some(format) if kind == "string" => format!("{kind} ({format})"),
        _ => kind.to_owned(),
    }
}

impl Schema {
    pub fn new(name: &str, schema: &Value) -> Self {
        Self {
            name: name.to_owned(),
            kind: Kind::new(schema),
            description: description(schema),
            fields: fields(schema),
        }
    }
}

/// Returns the members of an object.
pub fn fields(schema: &Value) -> Vec<Field> {
    let required = schema["required"].as_array();
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
    let members = schema["properties"].as_object().into_iter().flatten();
    let field = |(name, member): (&String, &Value)| Field {
        name: name.clone(),
        kind: Kind::new(member),
        is_required: is_required(name),
        description: description(member),
    };
    members.map(field).collect()
}

pub fn description(value: &Value) -> Prose {
    Prose::new(value["description"].as_str().unwrap_or_default())
}

/// Returns a value that a schema allows, with the required members of objects only.
pub fn example(document: &Value, schema: &Value) -> Value {
    if let Some(path) = schema["$ref"].as_str() {
        let target = document.pointer(path.trim_start_matches('#'));
        return target.map_or(Value::Null, |target| example(document, target));
    }
    let given = [&schema["examples"][0], &schema["default"], &schema["enum"][0]];
    if let Some(given) = given.into_iter().find(|value| !value.is_null()) {
        return given.clone();
    }
    let choice = [&schema["anyOf"][0], &schema["oneOf"][0], &schema["allOf"][0]];
    if let Some(choice) = choice.into_iter().find(|value| !value.is_null()) {
        return example(document, choice);
    }
    match schema["type"].as_str() {
        Some("object") => {
            let names = schema["required"].as_array().into_iter().flatten();
            let members = names
                .filter_map(Value::as_str)
                .map(|name| (name.to_owned(), example(document, &schema["properties"][name])));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Some("array") => json!([example(document, &schema["items"])]),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        _ => json!(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_names_the_schema_that_it_refers_to() {
        let name = json!({ "$ref": "#/components/schemas/Name" });
        for (schema, expected) in [
            (json!({ "type": "string", "format": "uuid" }), "string (uuid)"),
            (json!({ "type": ["string", "null"] }), "string or null"),
            (name.clone(), "Name"),
            (json!({ "type": "array", "items": name }), "list of Name"),
            (json!({ "anyOf": [name, { "type": "null" }] }), "Name or null"),
            (json!({ "enum": ["admin", "member"] }), "admin | member"),
        ] {
            assert_eq!(Kind::new(&schema).text(), expected, "{schema}");
        }
    }

    #[test]
    fn an_example_has_the_required_members() {
        let document = json!({ "components": { "schemas": {
            "Email": { "type": "string", "examples": ["ada@example.com"] },
        }}});
        let schema = json!({
            "type": "object",
            "required": ["email"],
            "properties": {
                "email": { "$ref": "#/components/schemas/Email" },
                "name": { "type": "string" },
            },
        });
        assert_eq!(example(&document, &schema), json!({ "email": "ada@example.com" }));
    }
}
