//! Custom claims of a session: merged deeply, `null` deletes, reserved names are refused.

use serde_json::{Map, Value};

use crate::refusal::Refusal;

const RESERVED: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
const MOST_BYTES: usize = 4096;

pub(crate) fn merge(
    claims: &Map<String, Value>,
    given: Option<Map<String, Value>>,
) -> Result<Map<String, Value>, Refusal> {
    let mut merged = claims.clone();
    let Some(given) = given else { return Ok(merged) };
    check_names(&given)?;
    merge_into(&mut merged, given);
    if serde_json::to_vec(&merged).is_ok_and(|json| json.len() > MOST_BYTES) {
        return Err(Refusal::bad_request(
            "custom_claims_too_large",
            "The custom claims are too large: 4 KB at most.",
        ));
    }
    Ok(merged)
}

fn check_names(given: &Map<String, Value>) -> Result<(), Refusal> {
    if let Some(name) = given.keys().find(|name| RESERVED.contains(&name.as_str())) {
        return Err(Refusal::bad_request(
            "reserved_claims_in_custom_claims",
            format!("{name} is reserved and can't be a custom claim."),
        ));
    }
    if let Some(name) = given.keys().find(|name| name.starts_with("https://stytch.com/")) {
        return Err(Refusal::bad_request(
            "stytch_claims_in_custom_claims",
            format!("{name} is Stytch's and can't be a custom claim."),
        ));
    }
    Ok(())
}

fn merge_into(target: &mut Map<String, Value>, given: Map<String, Value>) {
    for (name, value) in given {
        match (target.get_mut(&name), value) {
            (_, Value::Null) => {
                target.remove(&name);
            }
            (Some(Value::Object(inner)), Value::Object(given)) => merge_into(inner, given),
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
        let given = object(json!({"a": {"x": null, "z": 3}, "b": null, "c": [1]}));
        let after = super::merge(&before, Some(given)).unwrap();
        assert_eq!(Value::Object(after), json!({"a": {"y": 2, "z": 3}, "c": [1]}));
    }

    #[test]
    fn reserved_and_oversized_claims_are_refused() {
        let refused =
            |given: Value| super::merge(&Map::new(), Some(object(given))).unwrap_err().error_type;
        assert_eq!(refused(json!({"sub": "me"})), "reserved_claims_in_custom_claims");
        assert_eq!(
            refused(json!({"https://stytch.com/session": {}})),
            "stytch_claims_in_custom_claims"
        );
        assert_eq!(refused(json!({"a": "x".repeat(5000)})), "custom_claims_too_large");
    }
}
