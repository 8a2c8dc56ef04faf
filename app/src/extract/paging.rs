//! Keyset pagination: every page costs the same, wherever it is in the list.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use guestlist_domain::{Cursor, Page, SearchPrefix, SortKey};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::field_errors::FieldErrors;
use crate::openapi::schemas;
use crate::problem::Problem;

const DEFAULT_LIMIT: u64 = 50;
const MAX_LIMIT: u64 = 200;
/// The usual size of an item as JSON.
const ITEM_BYTES: usize = 384;
/// The size of what surrounds the items.
const PAGE_BYTES: usize = 256;

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}Page", transform = schemas::all_required)]
pub struct Paged<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// The `cursor` of the next page; null on the last page.
    pub next_cursor: Option<String>,
}

impl<Row> Paged<Row> {
    /// Creates a page of rows that were queried with a limit of one more.
    pub fn new<Id: Into<Uuid>>(
        mut rows: Vec<Row>,
        limit: u64,
        position: impl Fn(&Row) -> Cursor<Id>,
    ) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| has_more).map(position);
        Self { items: rows, next_cursor: last.map(encode_cursor) }
    }

    /// Creates a response with a view of each row.
    pub fn respond<'a, View: Serialize>(&'a self, view: impl Fn(&'a Row) -> View) -> Response {
        let items: Vec<View> = self.items.iter().map(view).collect();
        // Large enough for most pages, which `Json` would copy several times while they grow.
        let mut body = Vec::with_capacity(items.len() * ITEM_BYTES + PAGE_BYTES);
        let page = Paged { items, next_cursor: self.next_cursor.clone() };
        match serde_json::to_writer(&mut body, &page) {
            Ok(()) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => {
                tracing::error!(%error, "a page could not be serialized");
                Problem::internal().into_response()
            }
        }
    }
}

/// A complete list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}List", transform = schemas::all_required)]
pub struct List<T> {
    /// All items.
    pub items: Vec<T>,
}

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
    q: Option<&SearchPrefix>,
    id: impl Fn(Uuid) -> Id,
    errors: &mut FieldErrors,
) -> Page<Cursor<Id>> {
    let after = cursor.and_then(|cursor| {
        let position = decode_cursor(cursor, id);
        // A cursor is valid only for the kind of list that returned it.
        let position = position.filter(|position| position.sort_key.is_some() == q.is_some());
        errors.check("cursor", position.ok_or("is not a cursor returned by this list"))
    });
    let limit = limit.and_then(|limit| {
        let limit = limit.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
        errors.check("limit", limit.ok_or("must be a number from 1 to 200"))
    });
    Page { after, limit: limit.unwrap_or(DEFAULT_LIMIT) }
}

fn decode_cursor<Id>(cursor: &str, id: impl Fn(Uuid) -> Id) -> Option<Cursor<Id>> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (uuid, sort_key) = bytes.split_at_checked(16)?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let sort_key = match sort_key.split_first() {
        None => None,
        Some((b'e', email)) => Some(SortKey::Email(text(email)?)),
        Some((b'n', name)) => Some(SortKey::Name(text(name)?)),
        Some(_) => return None,
    };
    Some(Cursor { id: id(Uuid::from_slice(uuid).ok()?), sort_key })
}

fn encode_cursor<Id: Into<Uuid>>(Cursor { id, sort_key }: Cursor<Id>) -> String {
    let id: Uuid = id.into();
    let (tag, key) = match &sort_key {
        None => (&b""[..], ""),
        Some(SortKey::Email(email)) => (&b"e"[..], email.as_str()),
        Some(SortKey::Name(name)) => (&b"n"[..], name.as_str()),
    };
    URL_SAFE_NO_PAD.encode([id.as_bytes(), tag, key.as_bytes()].concat())
}
