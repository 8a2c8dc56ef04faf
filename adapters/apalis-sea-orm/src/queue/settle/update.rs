//! The UPDATE statements that end attempts.

use sea_orm::{
    EntityTrait, QueryFilter, UpdateMany,
    sea_query::{CaseStatement, Expr, ExprTrait},
};

use crate::{
    entity::{job, state},
    queue::attempt::{AttemptOutcome, AttemptResult},
    sql::{self, value_by_id},
    time::micros,
};

/// Returns the UPDATE for results that all have the same kind of outcome.
pub(super) fn update(group: &[&AttemptResult]) -> UpdateMany<job::Entity> {
    use job::Column as C;
    let leases: Vec<_> = group.iter().map(|r| (r.job, r.fence)).collect();
    let finished = value_by_id(group.iter().map(|r| (r.job, micros(r.finished_at))));
    let run_at =
        value_by_id(group.iter().filter_map(|r| Some((r.job, micros(r.outcome.run_at()?)))));
    let errors = group.iter().filter_map(|r| Some((r.job, r.error.as_ref()?)));
    let code = value_by_id(errors.clone().map(|(job, error)| (job, error.stored_code())));
    let message = value_by_id(errors.map(|(job, error)| (job, error.stored_message())));

    let update = job::Entity::update_many()
        .filter(sql::lease_is_current(&leases))
        .col_expr(C::LockedBy, Expr::value(None::<String>))
        .col_expr(C::LeaseUntil, Expr::value(None::<i64>))
        .col_expr(C::LastErrorCode, code)
        .col_expr(C::LastError, message);
    match group[0].outcome {
        AttemptOutcome::Done => finish(update, state::DONE, finished),
        AttemptOutcome::Dead => finish(update, state::DEAD, finished),
        AttemptOutcome::Cancelled => finish(update, state::CANCELLED, finished),
        AttemptOutcome::Retry { .. } => {
            requeue(update, state::RETRYING, finished).col_expr(C::RunAt, run_at)
        }
        AttemptOutcome::Snooze { .. } => requeue(update, state::SCHEDULED, finished)
            .col_expr(C::RunAt, run_at)
            .col_expr(C::Attempts, Expr::col(C::Attempts).sub(1)),
    }
}

fn finish(update: UpdateMany<job::Entity>, state: &str, finished: Expr) -> UpdateMany<job::Entity> {
    sql::free_key(update, &Expr::cust("1 = 1"))
        .col_expr(job::Column::State, Expr::value(state))
        .col_expr(job::Column::FinishedAt, finished)
}

/// Moves a job to `state`, or to `cancelled` if its cancellation was requested.
pub(crate) fn requeue(
    update: UpdateMany<job::Entity>,
    state: &str,
    finished: Expr,
) -> UpdateMany<job::Entity> {
    use job::Column as C;
    let is_requested = || Expr::col(C::CancelRequestedAt).is_not_null();
    let to = CaseStatement::new().case(is_requested(), state::CANCELLED).finally(state);
    let finished =
        CaseStatement::new().case(is_requested(), finished).finally(Expr::col(C::FinishedAt));
    sql::free_key(update, &is_requested())
        .col_expr(C::State, to.into())
        .col_expr(C::FinishedAt, finished.into())
}
