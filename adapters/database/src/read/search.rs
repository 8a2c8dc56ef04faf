//! Keyset pagination: lists by id, newest first, and prefix searches in the order of the searched
//! column.

use guestlist_domain::SearchPrefix;
use sea_orm::sea_query::{Alias, Asterisk, Query, SelectStatement, UnionType};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, IdenStatic, Order, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
};
use uuid::Uuid;

/// Returns at most `limit` rows that are older than `after`, newest first.
pub(crate) fn newest_first<E: EntityTrait>(
    query: Select<E>,
    id: E::Column,
    after: Option<Uuid>,
    limit: u64,
) -> Select<E> {
    let older = Condition::all().add_option(after.map(|after| id.lt(after)));
    query.filter(older).order_by(id, Order::Desc).limit(limit)
}

/// Returns the condition that a column begins with a prefix. It is a range, which an index serves
/// and in which no character is a wildcard, as with `LIKE`.
pub(crate) fn begins_with<C: ColumnTrait>(column: C, prefix: &SearchPrefix) -> Condition {
    Condition::all().add(column.gte(prefix.as_str())).add(column.lt(upper_bound(prefix)))
}

/// Returns a text that sorts after all texts with the prefix.
fn upper_bound(prefix: &SearchPrefix) -> String {
    format!("{}{}", prefix.as_str(), char::MAX)
}

/// A page of a search for rows whose key column begins with a prefix, in the order of that column,
/// so that an index finds any page without the rows before and after it.
pub(crate) struct Search<'a, E: EntityTrait> {
    pub(crate) key: E::Column,
    /// The column that orders rows with equal keys, newest first. `None` if keys are unique.
    pub(crate) id: Option<E::Column>,
    pub(crate) prefix: &'a SearchPrefix,
    /// Key and id of the last row of the previous page.
    pub(crate) after: Option<(&'a str, Uuid)>,
    pub(crate) limit: u64,
}

impl<E: EntityTrait> Search<'_, E> {
    /// Returns the statement that searches the rows in the given partitions. Each partition is a
    /// subquery of its own, which reads at most a page along an index. One query over several
    /// partitions would sort all matches.
    pub(crate) fn statement(&self, partitions: &[Condition]) -> SelectStatement {
        let ranges = self.ranges();
        let subqueries = partitions
            .iter()
            .flat_map(|partition| ranges.iter().map(|range| self.subquery(partition, range)));
        let mut subqueries: Vec<_> = subqueries.collect();
        match subqueries.pop() {
            Some(only) if subqueries.is_empty() => only,
            last => self.union(subqueries.into_iter().chain(last)),
        }
    }

    /// Returns the range of the rows with the last key of the previous page, and the range of the
    /// rows with later keys.
    fn ranges(&self) -> Vec<Condition> {
        let (key, prefix) = (self.key, self.prefix.as_str());
        let end = Condition::all().add(key.lt(upper_bound(self.prefix)));
        match (self.after, self.id) {
            (Some((after, last)), Some(id)) if after >= prefix => {
                let equal = Condition::all().add(key.eq(after)).add(id.lt(last));
                vec![equal, end.add(key.gt(after))]
            }
            (Some((after, _)), None) if after >= prefix => vec![end.add(key.gt(after))],
            _ => vec![end.add(key.gte(prefix))],
        }
    }

    fn subquery(&self, partition: &Condition, range: &Condition) -> SelectStatement {
        let rows = E::find().filter(partition.clone()).filter(range.clone());
        let rows = rows.order_by_asc(self.key).limit(self.limit);
        match self.id {
            Some(id) => rows.order_by_desc(id).into_query(),
            None => rows.into_query(),
        }
    }

    fn union(&self, subqueries: impl Iterator<Item = SelectStatement>) -> SelectStatement {
        let mut parts = subqueries.map(|subquery| {
            Query::select().column(Asterisk).from_subquery(subquery, Alias::new("part")).take()
        });
        let mut union = parts.next().unwrap_or_default();
        union.unions(parts.map(|part| (UnionType::All, part)));
        union.order_by(Alias::new(self.key.as_str()), Order::Asc).limit(self.limit);
        if let Some(id) = self.id {
            union.order_by(Alias::new(id.as_str()), Order::Desc);
        }
        union
    }
}
