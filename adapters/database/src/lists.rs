//! Pieces of lists: newest first by id, and by what an address or name begins with.

use sea_orm::{
    ColumnTrait, Condition, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, Select,
};
use uuid::Uuid;

/// At most `limit` rows, newest first, of those older than `after`.
pub(crate) fn piece<E: EntityTrait>(
    query: Select<E>,
    id: E::Column,
    after: Option<Uuid>,
    limit: u64,
) -> Select<E> {
    let query = match after {
        Some(after) => query.filter(id.lt(after)),
        None => query,
    };
    query.order_by(id, Order::Desc).limit(limit)
}

/// A range of texts that begin with a prefix: an index serves it, and nothing in the prefix means
/// anything else than itself, as it would with `LIKE`.
pub(crate) fn begins_with<C: ColumnTrait>(column: C, prefix: &str) -> Condition {
    Condition::all().add(column.gte(prefix)).add(column.lt(format!("{prefix}{}", char::MAX)))
}

/// What is searched for, as it is compared; none when nothing is.
pub(crate) fn search_key(q: Option<&str>) -> Option<String> {
    q.map(|q| q.trim().to_lowercase()).filter(|q| !q.is_empty())
}
