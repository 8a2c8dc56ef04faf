//! The HTTP API, one resource a file: its types, its documentation and its handlers.

mod audit;
mod bulk_jobs;
mod events;
mod health;
mod invitations;
mod jobs;
mod login;
mod metrics;
mod queues;
mod sessions;
mod status;
mod users;
mod webhooks;

use aide::axum::ApiRouter;

use crate::state::App;

pub fn v1() -> ApiRouter<App> {
    ApiRouter::new()
        .merge(invitations::routes())
        .merge(users::routes())
        .merge(sessions::routes())
        .merge(login::routes())
        .merge(status::routes())
        .merge(queues::routes())
        .merge(jobs::routes())
        .merge(bulk_jobs::routes())
        .merge(audit::routes())
}

pub fn unversioned() -> ApiRouter<App> {
    ApiRouter::new().merge(webhooks::routes()).merge(health::routes()).merge(metrics::routes())
}
