//! Which jobs a claim is for: the best ready ones of the queues that have room.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use sea_orm::{
    ConnectionTrait, DbErr, FromQueryResult,
    sea_query::{Expr, ExprTrait, Order, Query, SelectStatement},
};
use uuid::Uuid;

use crate::{
    Queue,
    entity::{job, state},
    filter::union,
    pause::not_paused,
};

#[derive(Debug, FromQueryResult)]
pub(super) struct Candidate {
    id: Uuid,
    pub(super) queue: String,
    priority: i16,
    run_at: i64,
}

impl Queue {
    /// The best jobs, best first. After a trial that got nothing, from some among the best on:
    /// workers that lost the same race would otherwise run it again.
    pub(super) async fn pick(&self, slots: usize, trial: usize) -> Result<Vec<Candidate>, DbErr> {
        let window = if trial == 0 { slots } else { slots * 4 };
        let Some(best) = self.best(window) else { return Ok(Vec::new()) };
        let best = self.read.query_all(&best).await?;
        let candidates = best.iter().map(|row| Candidate::from_query_result(row, ""));
        let mut candidates = candidates.collect::<Result<Vec<_>, _>>()?;
        candidates.sort_by_key(|c| (c.priority, c.run_at, self.rank(&c.queue), c.id));
        let spare = candidates.len().min(window).saturating_sub(slots);
        let skipped = if spare == 0 { 0 } else { self.lot(trial) % (spare + 1) };
        Ok(candidates.split_off(skipped))
    }

    /// One read for all the queues. Each part is served by the index, in its order.
    fn best(&self, window: usize) -> Option<SelectStatement> {
        let blocked = self.pace.blocked().is_some();
        let parts = self.options.queues.iter().filter_map(|queue| {
            let room = self.room(queue).min(window);
            let shut = self.is_held(queue) || (blocked && self.is_rated(queue));
            (room > 0 && !shut).then(|| ready(queue, room as u64))
        });
        union(parts)
    }

    /// How many more jobs of that queue may be held.
    fn room(&self, queue: &str) -> usize {
        let limit = self.options.limits.get(queue);
        limit.map_or(usize::MAX, |limit| limit.saturating_sub(self.leases.count_of(queue)))
    }

    /// The first for which there are slots, room in their queues, and starts if they need one.
    pub(super) fn choose(&self, best: &[Candidate], slots: usize, starts: usize) -> Vec<Uuid> {
        let mut room: HashMap<&str, usize> = HashMap::new();
        let mut starts = starts;
        let mut chosen = Vec::new();
        for job in best {
            let room = room.entry(&job.queue).or_insert_with(|| self.room(&job.queue));
            let rated = self.is_rated(&job.queue);
            if chosen.len() == slots || *room == 0 || (rated && starts == 0) {
                continue;
            }
            *room -= 1;
            starts -= usize::from(rated);
            chosen.push(job.id);
        }
        chosen
    }

    pub(super) fn rank(&self, queue: &str) -> usize {
        self.options.queues.iter().position(|name| name == queue).unwrap_or(usize::MAX)
    }

    /// A number that differs from worker to worker and from trial to trial.
    fn lot(&self, trial: usize) -> usize {
        let mut hasher = DefaultHasher::new();
        (&self.options.worker, trial).hash(&mut hasher);
        usize::try_from(hasher.finish() % 1_000_003).unwrap_or(0)
    }
}

/// A queue's best ready jobs; none while it is paused.
fn ready(queue: &str, window: u64) -> SelectStatement {
    use job::Column as C;
    Query::select()
        .columns([C::Id, C::Queue, C::Priority, C::RunAt])
        .from(job::Entity)
        .and_where(Expr::col(C::Queue).eq(queue))
        .and_where(Expr::col(C::State).eq(state::READY))
        .and_where(not_paused(queue))
        .order_by(C::Priority, Order::Asc)
        .order_by(C::RunAt, Order::Asc)
        .order_by(C::Id, Order::Asc)
        .limit(window)
        .to_owned()
}
