//! The HTTP API, one resource a file: its types, its documentation and its handlers.

mod audit;
mod events;
mod invitations;
mod jobs;
mod login;
mod monitoring;
mod queues;
mod sessions;
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
        .merge(monitoring::v1_routes())
        .merge(queues::routes())
        .merge(jobs::routes())
        .merge(audit::routes())
}

pub fn unversioned() -> ApiRouter<App> {
    ApiRouter::new().merge(webhooks::routes()).merge(monitoring::unversioned_routes())
}
