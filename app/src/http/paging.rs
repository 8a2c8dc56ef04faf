//! Lists: keyset pages, so that the thousandth costs what the first does.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use guestlist_domain::Page;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::body::Fields;
use super::openapi::shapes;

const DEFAULT_LIMIT: u64 = 50;
const MAX_LIMIT: u64 = 200;

/// A page as callers see it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}", transform = shapes::whole)]
pub struct Paged<T> {
    /// The rows, newest first.
    pub items: Vec<T>,
    /// Give it as `cursor` for what comes after; null at the end.
    pub next_cursor: Option<String>,
}

/// A list that is short enough to be answered whole.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AllOf{T}", transform = shapes::whole)]
pub struct All<T> {
    /// The rows.
    pub items: Vec<T>,
}

/// Reads `?limit=` and `?cursor=`.
pub fn page<Id>(
    limit: Option<&str>,
    cursor: Option<&str>,
    id: impl Fn(Uuid) -> Id,
    fields: &mut Fields,
) -> Page<Id> {
    let limit = limit.and_then(|limit| {
        let read = limit.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
        fields.take("limit", read.ok_or("must be a number from 1 to 200"))
    });
    let after = cursor.and_then(|cursor| {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
        let uuid = bytes.and_then(|bytes| Uuid::from_slice(&bytes).ok());
        fields.take("cursor", uuid.ok_or("is not a cursor that this list gave"))
    });
    Page { after: after.map(id), limit: limit.unwrap_or(DEFAULT_LIMIT) }
}

/// Cuts rows that were read with one more than the limit down to a page, and answers where the
/// next one begins, if there is one.
pub fn cut<Row>(rows: &mut Vec<Row>, limit: u64, id: impl Fn(&Row) -> Uuid) -> Option<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| has_more)?;
    Some(URL_SAFE_NO_PAD.encode(id(last).as_bytes()))
}
