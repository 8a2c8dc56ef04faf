//! Pieces of lists: newest first by id, and of searches in the order of what is searched.

use guestlist_domain::SearchPrefix;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, IdenStatic, Order, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
    sea_query::{Alias, Asterisk, Query, SelectStatement, UnionType},
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
pub(crate) fn begins_with<C: ColumnTrait>(column: C, prefix: &SearchPrefix) -> Condition {
    Condition::all().add(column.gte(prefix.as_str())).add(column.lt(end(prefix)))
}

/// What everything that begins so is before.
fn end(prefix: &SearchPrefix) -> String {
    format!("{}{}", prefix.as_str(), char::MAX)
}

/// A search for what a column begins with: in the order of that column, so that an index finds
/// the first rows of any piece without those before it or after it.
pub(crate) struct Search<'a, E: EntityTrait> {
    pub(crate) key: E::Column,
    /// By which those that are equal come, the newest first; none where no two are.
    pub(crate) id: Option<E::Column>,
    pub(crate) prefix: &'a SearchPrefix,
    /// The last row of the piece before.
    pub(crate) after: Option<(&'a str, Uuid)>,
    pub(crate) limit: u64,
}

impl<E: EntityTrait> Search<'_, E> {
    /// Of the rows in any of the `groups`. Each is read for itself, as far as a piece goes, and
    /// has an index in this order; over several at once, all that match would be sorted.
    pub(crate) fn among(&self, groups: &[Condition]) -> SelectStatement {
        let ranges = self.ranges();
        let runs =
            groups.iter().flat_map(|group| ranges.iter().map(|range| self.run(group, range)));
        let mut runs: Vec<_> = runs.collect();
        match runs.pop() {
            Some(only) if runs.is_empty() => only,
            last => self.merged(runs.into_iter().chain(last)),
        }
    }

    /// What comes after, and what is equal to it.
    fn ranges(&self) -> Vec<Condition> {
        let (key, prefix) = (self.key, self.prefix.as_str());
        let end = Condition::all().add(key.lt(end(self.prefix)));
        match (self.after, self.id) {
            (Some((after, last)), Some(id)) if after >= prefix => {
                let equal = Condition::all().add(key.eq(after)).add(id.lt(last));
                vec![equal, end.add(key.gt(after))]
            }
            (Some((after, _)), None) if after >= prefix => vec![end.add(key.gt(after))],
            _ => vec![end.add(key.gte(prefix))],
        }
    }

    fn run(&self, group: &Condition, range: &Condition) -> SelectStatement {
        let rows = E::find().filter(group.clone()).filter(range.clone());
        let rows = rows.order_by_asc(self.key).limit(self.limit);
        match self.id {
            Some(id) => rows.order_by_desc(id).into_query(),
            None => rows.into_query(),
        }
    }

    fn merged(&self, runs: impl Iterator<Item = SelectStatement>) -> SelectStatement {
        let mut parts = runs.map(|run| {
            Query::select().column(Asterisk).from_subquery(run, Alias::new("run")).take()
        });
        let mut all = parts.next().unwrap_or_default();
        all.unions(parts.map(|part| (UnionType::All, part)));
        all.order_by(Alias::new(self.key.as_str()), Order::Asc).limit(self.limit);
        if let Some(id) = self.id {
            all.order_by(Alias::new(id.as_str()), Order::Desc);
        }
        all
    }
}
