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
use axum::response::Response;

use crate::problem::{Code, Problem};
use crate::state::App;

type ApiResult<T = Response> = Result<T, Problem>;

/// The problems of inviting or adding a person by their address.
const NEW_ADDRESS_PROBLEMS: &[Code] =
    &[Code::AlreadyInvited, Code::AlreadyMember, Code::UserDeleting, Code::RoleNotGrantable];

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
