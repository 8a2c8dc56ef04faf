//! Custom claims of a session. Updates are merged deeply; `null` deletes a claim.

use serde_json::{Map, Value};

use crate::http::error::ApiError;

const RESERVED: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
const MAX_BYTES: usize = 4096;

pub(crate) fn merge(
    claims: &Map<String, Value>,
    update: Option<Map<String, Value>>,
) -> Result<Map<String, Value>, ApiError> {
    let mut merged = claims.clone();
    let Some(update) = update else { return Ok(merged) };
    check_names(&update)?;
    merge_into(&mut merged, update);
    if serde_json::to_vec(&merged).is_ok_and(|json| json.len() > MAX_BYTES) {
        return Err(ApiError::bad_request(
            "custom_claims_too_large",
            "The custom claims are too large: 4 KB at most.",
        ));
    }
    Ok(merged)
}

fn check_names(claims: &Map<String, Value>) -> Result<(), ApiError> {
    if let Some(name) = claims.keys().find(|name| RESERVED.contains(&name.as_str())) {
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
        let after = super::merge(&before, Some(update)).unwrap();
        assert_eq!(Value::Object(after), json!({"a": {"y": 2, "z": 3}, "c": [1]}));
    }

    #[test]
    fn reserved_and_oversized_claims_are_rejected() {
        let error_type =
            |update: Value| super::merge(&Map::new(), Some(object(update))).unwrap_err().error_type;
        assert_eq!(error_type(json!({"sub": "me"})), "reserved_claims_in_custom_claims");
        assert_eq!(
            error_type(json!({"https://stytch.com/session": {}})),
            "stytch_claims_in_custom_claims"
        );
        assert_eq!(error_type(json!({"a": "x".repeat(5000)})), "custom_claims_too_large");
    }
}
