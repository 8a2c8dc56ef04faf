//! Lists: keyset pages, so that the thousandth costs what the first does.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use guestlist_domain::{SortKey, Page, Cursor, SearchPrefix};
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
    /// The rows: newest first, or in the order of what was searched.
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
    let read = |bytes: &[u8]| Uuid::from_slice(bytes).ok().map(id);
    Page { after: read_cursor(cursor, read, fields), limit: read_limit(limit, fields) }
}

/// The same, of a list that may be searched.
pub fn search_page<Id>(
    limit: Option<&str>,
    cursor: Option<&str>,
    q: Option<&SearchPrefix>,
    id: impl Fn(Uuid) -> Id,
    fields: &mut Fields,
) -> Page<Cursor<Id>> {
    let read = |bytes: &[u8]| {
        let (uuid, sort_key) = bytes.split_at_checked(16)?;
        let sort_key = match sort_key.split_first() {
            None => None,
            Some((b'e', email)) => Some(SortKey::Email(str::from_utf8(email).ok()?.to_owned())),
            Some((b'n', name)) => Some(SortKey::Name(str::from_utf8(name).ok()?.to_owned())),
            Some(_) => return None,
        };
        let place = Cursor { id: id(Uuid::from_slice(uuid).ok()?), sort_key };
        (place.sort_key.is_some() == q.is_some()).then_some(place)
    };
    Page { after: read_cursor(cursor, read, fields), limit: read_limit(limit, fields) }
}

fn read_limit(limit: Option<&str>, fields: &mut Fields) -> u64 {
    let limit = limit.and_then(|limit| {
        let read = limit.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
        fields.take("limit", read.ok_or("must be a number from 1 to 200"))
    });
    limit.unwrap_or(DEFAULT_LIMIT)
}

fn read_cursor<After>(
    cursor: Option<&str>,
    read: impl FnOnce(&[u8]) -> Option<After>,
    fields: &mut Fields,
) -> Option<After> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor?).ok();
    let after = bytes.and_then(|bytes| read(&bytes));
    fields.take("cursor", after.ok_or("is not a cursor that this list gave"))
}

/// Cuts rows that were read with one more than the limit down to a page, and answers where the
/// next one begins, if there is one.
pub fn cut<Row>(rows: &mut Vec<Row>, limit: u64, id: impl Fn(&Row) -> Uuid) -> Option<String> {
    cut_at(rows, limit, |row| Cursor::from(id(row)))
}

/// The same, of a list that may be searched.
pub fn cut_at<Row, Id: Into<Uuid>>(
    rows: &mut Vec<Row>,
    limit: u64,
    place: impl Fn(&Row) -> Cursor<Id>,
) -> Option<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let Cursor { id, sort_key } = place(rows.last().filter(|_| has_more)?);
    let id: Uuid = id.into();
    let sort_key = match &sort_key {
        None => (&b""[..], ""),
        Some(SortKey::Email(email)) => (&b"e"[..], email.as_str()),
        Some(SortKey::Name(name)) => (&b"n"[..], name.as_str()),
    };
    let cursor = [id.as_bytes(), sort_key.0, sort_key.1.as_bytes()].concat();
    Some(URL_SAFE_NO_PAD.encode(cursor))
}
