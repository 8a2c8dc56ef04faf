//! Pauses and resumes queues.

use serde_json::{Value, json};

use crate::{Actor, Change, Ctx, EventKind, Operation, OptimisticRetry, QueueName, StoreResult};

/// Pauses a queue: workers claim no more of its jobs. Pausing a paused queue replaces the reason and
/// keeps the time.
pub async fn pause_queue(
    ctx: &Ctx,
    queue: QueueName,
    reason: Option<String>,
    by: &Actor,
) -> StoreResult<()> {
    let detail = json!({ "queue": queue.as_str(), "reason": reason });
    let name = by.name().unwrap_or(by.kind()).to_owned();
    let pause = Operation::Pause { queue, by: name, reason, at: ctx.now() };
    operate(ctx, pause, EventKind::QueuePaused, detail, by).await
}

pub async fn resume_queue(ctx: &Ctx, queue: QueueName, by: &Actor) -> StoreResult<()> {
    let detail = json!({ "queue": queue.as_str() });
    operate(ctx, Operation::Resume(queue), EventKind::QueueResumed, detail, by).await
}

async fn operate(
    ctx: &Ctx,
    operation: Operation,
    kind: EventKind,
    detail: Value,
    by: &Actor,
) -> StoreResult<()> {
    let mut retry = OptimisticRetry::default();
    loop {
        let event = ctx.event(kind, by, detail.clone());
        if retry.apply(ctx, Change::new().operation(operation.clone()).event(event)).await? {
            return Ok(());
        }
    }
}
