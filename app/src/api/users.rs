//! Users.

pub mod types;

use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with, patch_with, post_with};
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use guestlist_domain::flows::{self, UserError};
use guestlist_domain::{Page, Scope, SearchPrefix, UserFilter, UserId, UserStatus};

use self::types::{
    ChangedUserView, CreateUserRequest, ListUsers, UpdateUserRequest, UserView, parse_role,
};
use crate::extract::{
    Authorized, FieldErrors, JsonBody, Paged, PathParam, Query, UsersRead, UsersWrite,
    parse_search_page,
};
use crate::middleware::idempotency::Idempotent;
use crate::openapi::{ApiRouterExt, OperationExt};
use crate::problem::{ApiResult, Code};
use crate::state::App;

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .route_with(post_with, "/users", Idempotent(create_user), |op| {
            op.named("create_user", "Create a user")
                .description("No mail is sent. The user can log in from now on.")
                .json_response::<201, UserView<'static>>("The user.")
                .location_header::<201>()
                .problems(Code::OF_NEW_ADDRESS)
        })
        .route_with(get_with, "/users", list_users, |op| {
            op.named("list_users", "List users")
                .json_response::<200, Paged<UserView<'static>>>("A page of users, newest first.")
        })
        .merge(one())
}

fn one() -> ApiRouter<App> {
    ApiRouter::new()
        .route_with(get_with, "/users/{id}", get_user, |op| {
            op.named("get_user", "Get a user").json_response::<200, UserView<'static>>("The user.")
        })
        .route_with(patch_with, "/users/{id}", update_user, |op| {
            op.named("update_user", "Update a user")
                .description(
                    "Members that are left out stay unchanged; `metadata` is replaced as a \
                     whole. Suspending or demoting a user ends their sessions at once. \
                     Suspending or demoting an administrator also revokes the open invitations \
                     with a role above `member` that they have sent.",
                )
                .json_response::<200, ChangedUserView<'static>>("The updated user.")
                .problems(&[
                    Code::RoleNotGrantable,
                    Code::LastAdmin,
                    Code::UserInvited,
                    Code::UserDeleting,
                ])
        })
        .route_with(delete_with, "/users/{id}", delete_user, |op| {
            op.named("delete_user", "Delete a user")
                .description(
                    "Ends the user's sessions at once, and revokes the open invitations with a \
                     role above `member` that they have sent. The user is then deleted at \
                     Stytch and in Guestlist, and is `deleting` until that is done. After \
                     that, the address can be invited again.",
                )
                .json_response::<202, ChangedUserView<'static>>("The user, now `deleting`.")
                .problems(&[Code::LastAdmin, Code::RoleNotGrantable])
        })
}

async fn create_user(
    auth: Authorized<UsersWrite>,
    JsonBody(request): JsonBody<CreateUserRequest>,
) -> ApiResult {
    let request = request.parse(auth.manageable_roles())?;
    auth.caller.require_grantable(request.role)?;
    let user = flows::add_user(&auth.ctx, request, &auth.actor()).await?;
    let headers = [(header::LOCATION, format!("/v1/users/{}", user.id))];
    Ok((StatusCode::CREATED, headers, Json(UserView::from(&user))).into_response())
}

async fn list_users(auth: Authorized<UsersRead>, Query(query): Query<ListUsers>) -> ApiResult {
    let mut errors = FieldErrors::default();
    let role = query.role.and_then(|role| errors.check("role", parse_role(&role)));
    let status = query.status.and_then(|status| {
        errors.check("status", UserStatus::parse(&status).ok_or("is not a user status"))
    });
    let q = query.q.as_deref().and_then(SearchPrefix::of);
    let (limit, cursor) = (query.limit.as_deref(), query.cursor.as_deref());
    let Page { after, limit } = parse_search_page(limit, cursor, q.as_ref(), UserId, &mut errors);
    errors.finish()?;
    let filter = UserFilter { q, role, status };
    let users = auth.ctx.store.users(&filter, Page { after, limit: limit + 1 }).await?;
    Ok(Paged::new(users, limit, |user| filter.cursor(user)).respond(UserView::from))
}

async fn get_user(auth: Authorized<UsersRead>, id: PathParam<UserId>) -> ApiResult {
    let user = auth.app.user(id.parse()?).await?;
    Ok(Json(UserView::from(&user)).into_response())
}

async fn update_user(
    auth: Authorized<UsersWrite>,
    id: PathParam<UserId>,
    JsonBody(request): JsonBody<UpdateUserRequest>,
) -> ApiResult {
    let change = request.parse(auth.manageable_roles())?;
    auth.caller.require_grantable(change.role.unwrap_or_default())?;
    let changed = flows::change_user(&auth.ctx, id.parse()?, &change, &auth.actor()).await;
    // An empty change only reads the user.
    if change.is_empty() && !matches!(changed, Err(UserError::Forbidden)) {
        auth.caller.require_scope(Scope::UsersRead)?;
    }
    Ok(Json(ChangedUserView::from(&changed?)).into_response())
}

async fn delete_user(auth: Authorized<UsersWrite>, id: PathParam<UserId>) -> ApiResult {
    let manageable = auth.manageable_roles();
    let removed = flows::remove_user(&auth.ctx, id.parse()?, manageable, &auth.actor()).await?;
    Ok((StatusCode::ACCEPTED, Json(ChangedUserView::from(&removed))).into_response())
}
