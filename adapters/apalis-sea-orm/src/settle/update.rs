//! The statement that ends attempts.

use jiff::Timestamp;
use sea_orm::{
    EntityTrait, QueryFilter, UpdateMany,
    sea_query::{CaseStatement, Expr, ExprTrait},
};

use super::{Failure, Outcome, Settlement};
use crate::{
    entity::{job, state},
    guard::{self, by_id},
    time::micros,
    unique,
};

/// The UPDATE of settlements that have one kind of outcome.
pub(super) fn update(group: &[&Settlement]) -> UpdateMany<job::Entity> {
    use job::Column as C;
    let leases: Vec<_> = group.iter().map(|s| (s.job, s.fence)).collect();
    let finished = by_id(group.iter().map(|s| (s.job, micros(s.finished_at))));
    let run_at = by_id(group.iter().filter_map(|s| Some((s.job, micros(s.outcome.run_at()?)))));
    let errors = group.iter().filter_map(|s| Some((s.job, s.error.as_ref()?)));
    let code = by_id(errors.clone().map(|(job, error)| (job, error.code())));
    let message = by_id(errors.map(|(job, error)| (job, error.message())));

    let update = job::Entity::update_many()
        .filter(guard::held(&leases))
        .col_expr(C::LockedBy, Expr::value(None::<String>))
        .col_expr(C::LeaseUntil, Expr::value(None::<i64>))
        .col_expr(C::LastErrorCode, code)
        .col_expr(C::LastError, message);
    match group[0].outcome {
        Outcome::Done => end(update, state::DONE, finished),
        Outcome::Dead => end(update, state::DEAD, finished),
        Outcome::Cancelled => end(update, state::CANCELLED, finished),
        Outcome::Retry { .. } => {
            go_on(update, state::RETRYING, finished).col_expr(C::RunAt, run_at)
        }
        Outcome::Snooze { .. } => go_on(update, state::SCHEDULED, finished)
            .col_expr(C::RunAt, run_at)
            .col_expr(C::Attempts, Expr::col(C::Attempts).sub(1)),
    }
}

fn end(update: UpdateMany<job::Entity>, state: &str, finished: Expr) -> UpdateMany<job::Entity> {
    unique::freed(update, &Expr::cust("1 = 1"))
        .col_expr(job::Column::State, Expr::value(state))
        .col_expr(job::Column::FinishedAt, finished)
}

/// Puts a job into that state, unless someone asked for its end: then it ends.
pub(crate) fn go_on(
    update: UpdateMany<job::Entity>,
    state: &str,
    finished: Expr,
) -> UpdateMany<job::Entity> {
    use job::Column as C;
    let asked = || Expr::col(C::CancelRequestedAt).is_not_null();
    let to = CaseStatement::new().case(asked(), state::CANCELLED).finally(state);
    let ended = CaseStatement::new().case(asked(), finished).finally(Expr::col(C::FinishedAt));
    unique::freed(update, &asked())
        .col_expr(C::State, to.into())
        .col_expr(C::FinishedAt, ended.into())
}

impl Outcome {
    fn run_at(self) -> Option<Timestamp> {
        match self {
            Outcome::Retry { at } | Outcome::Snooze { at } => Some(at),
            Outcome::Done | Outcome::Dead | Outcome::Cancelled => None,
        }
    }
}

impl Failure {
    pub(super) fn code(&self) -> String {
        super::ascii(&self.code)
    }

    pub(super) fn message(&self) -> String {
        self.message.chars().take(super::MESSAGE).collect()
    }
}
