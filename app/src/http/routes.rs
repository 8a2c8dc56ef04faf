//! Every route of the API: its address, its handler, and what is told of it beyond what the
//! handler's types tell.

mod around;
mod invitations;
mod logins;
mod operations;
mod users;

use aide::axum::ApiRouter;
use aide::transform::TransformPathItem;

use super::openapi;
use super::state::App;

pub use around::{hooks, pages, probes};

/// Routes under `/v1` whose POSTs take an `Idempotency-Key`.
pub fn keyed() -> ApiRouter<App> {
    invitations::routes()
        .merge(users::routes())
        .merge(operations::routes())
        .with_path_items(idempotent)
}

/// The other routes under `/v1`.
pub fn unkeyed() -> ApiRouter<App> {
    logins::routes()
}

/// What `Idempotency-Key` adds to a POST.
fn idempotent(mut item: TransformPathItem<'_>) -> TransformPathItem<'_> {
    if let Some(post) = &mut item.inner_mut().post {
        openapi::take_idempotency_key(post);
    }
    item
}
