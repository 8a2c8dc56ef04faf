//! Keyset pagination: every page costs the same, wherever it is in the list.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use guestlist_domain::{FoundBy, Page, Place, Prefix};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::field_errors::FieldErrors;
use crate::openapi::schemas;

const DEFAULT_LIMIT: u64 = 50;
const MAX_LIMIT: u64 = 200;

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}Page", transform = schemas::all_required)]
pub struct Paged<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// The `cursor` of the next page; null on the last page.
    pub next_cursor: Option<String>,
}

/// A complete list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}List", transform = schemas::all_required)]
pub struct List<T> {
    /// All items.
    pub items: Vec<T>,
}

/// Parses `?limit=` and `?cursor=`.
pub fn parse_page<Id>(
    limit: Option<&str>,
    cursor: Option<&str>,
    id: impl Fn(Uuid) -> Id,
    errors: &mut FieldErrors,
) -> Page<Id> {
    let Page { after, limit } = parse_search_page(limit, cursor, None, id, errors);
    Page { after: after.map(|position| position.id), limit }
}

/// Parses `?limit=` and `?cursor=` of a list that can be searched by `q`.
pub fn parse_search_page<Id>(
    limit: Option<&str>,
    cursor: Option<&str>,
    q: Option<&Prefix>,
    id: impl Fn(Uuid) -> Id,
    errors: &mut FieldErrors,
) -> Page<Place<Id>> {
    let after = cursor.and_then(|cursor| {
        let position = decode_cursor(cursor, id);
        // A cursor is valid only for the kind of list that returned it.
        let position = position.filter(|position| position.found_by.is_some() == q.is_some());
        errors.check("cursor", position.ok_or("is not a cursor returned by this list"))
    });
    let limit = limit.and_then(|limit| {
        let limit = limit.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
        errors.check("limit", limit.ok_or("must be a number from 1 to 200"))
    });
    Page { after, limit: limit.unwrap_or(DEFAULT_LIMIT) }
}

fn decode_cursor<Id>(cursor: &str, id: impl Fn(Uuid) -> Id) -> Option<Place<Id>> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (uuid, found_by) = bytes.split_at_checked(16)?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let found_by = match found_by.split_first() {
        None => None,
        Some((b'e', email)) => Some(FoundBy::Email(text(email)?)),
        Some((b'n', name)) => Some(FoundBy::Name(text(name)?)),
        Some(_) => return None,
    };
    Some(Place { id: id(Uuid::from_slice(uuid).ok()?), found_by })
}

/// Truncates rows, queried with a limit of one more, to a page. Returns the next page's cursor, or
/// `None` on the last page.
pub fn truncate_page<Row>(
    rows: &mut Vec<Row>,
    limit: u64,
    id: impl Fn(&Row) -> Uuid,
) -> Option<String> {
    truncate_search_page(rows, limit, |row| Place::from(id(row)))
}

/// Truncates the rows of a list that can be searched, as [`truncate_page`] does.
pub fn truncate_search_page<Row, Id: Into<Uuid>>(
    rows: &mut Vec<Row>,
    limit: u64,
    position: impl Fn(&Row) -> Place<Id>,
) -> Option<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let Place { id, found_by } = position(rows.last().filter(|_| has_more)?);
    let id: Uuid = id.into();
    let (tag, key) = match &found_by {
        None => (&b""[..], ""),
        Some(FoundBy::Email(email)) => (&b"e"[..], email.as_str()),
        Some(FoundBy::Name(name)) => (&b"n"[..], name.as_str()),
    };
    Some(URL_SAFE_NO_PAD.encode([id.as_bytes(), tag, key.as_bytes()].concat()))
}
