//! Updates of JSON objects by merging; `null` deletes a member.

use serde_json::{Map, Value};

use crate::response::ApiError;

const MAX_METADATA_KEYS: usize = 20;
const MAX_BYTES: usize = 4096;
const RESERVED_CLAIMS: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// Merges user metadata at the top level: at most 20 keys and 4 KB.
pub(crate) fn metadata(
    metadata: &Map<String, Value>,
    update: Option<Value>,
) -> Result<Map<String, Value>, ApiError> {
    let mut merged = metadata.clone();
    match update {
        None | Some(Value::Null) => return Ok(merged),
        Some(Value::Object(update)) => merged.extend(update),
        Some(_) => {
            return Err(ApiError::bad_request(
                "metadata_invalid_format",
                "Metadata must be a JSON object.",
            ));
        }
    }
    merged.retain(|_, value| !value.is_null());
    if merged.len() > MAX_METADATA_KEYS {
        return Err(ApiError::bad_request(
            "metadata_too_many_keys",
            "Metadata may have at most 20 top-level keys.",
        ));
    }
    if is_too_large(&merged) {
        return Err(ApiError::bad_request("metadata_too_large", "Metadata may have at most 4 KB."));
    }
    Ok(merged)
}

/// Merges custom claims of a session deeply: at most 4 KB.
pub(crate) fn custom_claims(
    claims: &Map<String, Value>,
    update: Option<Map<String, Value>>,
) -> Result<Map<String, Value>, ApiError> {
    let mut merged = claims.clone();
    let Some(update) = update else { return Ok(merged) };
    check_names(&update)?;
    merge_into(&mut merged, update);
    if is_too_large(&merged) {
        return Err(ApiError::bad_request(
            "custom_claims_too_large",
            "The custom claims are too large: 4 KB at most.",
        ));
    }
    Ok(merged)
}

fn is_too_large(object: &Map<String, Value>) -> bool {
    serde_json::to_vec(object).is_ok_and(|json| json.len() > MAX_BYTES)
}

fn check_names(claims: &Map<String, Value>) -> Result<(), ApiError> {
    if let Some(name) = claims.keys().find(|name| RESERVED_CLAIMS.contains(&name.as_str())) {
        return Err(ApiError::bad_request(
            "reserved_claims_in_custom_claims",
            format!("{name} is reserved and can't be a custom claim."),
        ));
    }
    if let Some(name) = claims.keys().find(|name| name.starts_with("https://stytch.com/")) {
        return Err(ApiError::bad_request(
            "stytch_claims_in_custom_claims",
            format!("{name} is Stytch's and can't be a custom claim."),
        ));
    }
    Ok(())
}

fn merge_into(target: &mut Map<String, Value>, update: Map<String, Value>) {
    for (name, value) in update {
        match (target.get_mut(&name), value) {
            (_, Value::Null) => {
                target.remove(&name);
            }
            (Some(Value::Object(inner)), Value::Object(update)) => merge_into(inner, update),
            (_, value) => {
                target.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    fn object(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn claims_merge_deeply_and_null_deletes() {
        let before = object(json!({"a": {"x": 1, "y": 2}, "b": 1}));
        let update = object(json!({"a": {"x": null, "z": 3}, "b": null, "c": [1]}));
        let after = super::custom_claims(&before, Some(update)).unwrap();
        assert_eq!(Value::Object(after), json!({"a": {"y": 2, "z": 3}, "c": [1]}));
    }

    #[test]
    fn reserved_and_oversized_claims_are_rejected() {
        let error_type = |update: Value| {
            super::custom_claims(&Map::new(), Some(object(update))).unwrap_err().error_type
        };
        assert_eq!(error_type(json!({"sub": "me"})), "reserved_claims_in_custom_claims");
        assert_eq!(
            error_type(json!({"https://stytch.com/session": {}})),
            "stytch_claims_in_custom_claims"
        );
        assert_eq!(error_type(json!({"a": "x".repeat(5000)})), "custom_claims_too_large");
    }
}
