//! User metadata: at most 20 keys and 4 KB. Updates are merged at the top level; `null` deletes a
//! key.

use serde_json::{Map, Value};

use crate::http::error::ApiError;

const MAX_KEYS: usize = 20;
const MAX_BYTES: usize = 4096;

pub(crate) fn merge(
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
    check(&merged)?;
    Ok(merged)
}

fn check(metadata: &Map<String, Value>) -> Result<(), ApiError> {
    if metadata.len() > MAX_KEYS {
        return Err(ApiError::bad_request(
            "metadata_too_many_keys",
            "Metadata may have at most 20 top-level keys.",
        ));
    }
    if serde_json::to_vec(metadata).is_ok_and(|json| json.len() > MAX_BYTES) {
        return Err(ApiError::bad_request("metadata_too_large", "Metadata may have at most 4 KB."));
    }
    Ok(())
}
