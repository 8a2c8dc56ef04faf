//! `WebDriver` commands.

use reqwest::Method;
use serde_json::Value;

use crate::Caller;

/// Sends a `WebDriver` command, and returns its value, or the code and message of its error.
pub(super) async fn command(
    caller: &Caller,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, String> {
    let kind = body.map(|_| "application/json");
    let body = body.map(ToString::to_string).unwrap_or_default();
    let response = caller.call(method, path, kind, body).await;
    let value = response.json()["value"].take();
    match response.status {
        200 => Ok(value),
        _ => Err(format!("{}: {}", value["error"].as_str().unwrap(), value["message"])),
    }
}
