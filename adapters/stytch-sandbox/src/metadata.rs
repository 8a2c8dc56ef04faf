//! A user's metadata: at most 20 keys and 4 KB; merged at the top level, where `null` deletes.

use serde_json::{Map, Value};

use crate::refusal::Refusal;

const MOST_KEYS: usize = 20;
const MOST_BYTES: usize = 4096;

pub(crate) fn merge(
    metadata: &Map<String, Value>,
    given: Option<Value>,
) -> Result<Map<String, Value>, Refusal> {
    let mut merged = metadata.clone();
    match given {
        None | Some(Value::Null) => return Ok(merged),
        Some(Value::Object(given)) => merged.extend(given),
        Some(_) => {
            return Err(Refusal::bad_request(
                "metadata_invalid_format",
                "Metadata must be a JSON object.",
            ));
        }
    }
    merged.retain(|_, value| !value.is_null());
    check(&merged)?;
    Ok(merged)
}

fn check(metadata: &Map<String, Value>) -> Result<(), Refusal> {
    if metadata.len() > MOST_KEYS {
        return Err(Refusal::bad_request(
            "metadata_too_many_keys",
            "Metadata may have at most 20 top-level keys.",
        ));
    }
    if serde_json::to_vec(metadata).is_ok_and(|json| json.len() > MOST_BYTES) {
        return Err(Refusal::bad_request("metadata_too_large", "Metadata may have at most 4 KB."));
    }
    Ok(())
}
