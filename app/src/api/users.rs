//! Users.

pub mod types;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use guestlist_domain::flows::{self, UserError};
use guestlist_domain::{Page, Scope, SearchPrefix, UserFilter, UserId, UserStatus};

use self::types::{
    ChangedUserView, CreateUserRequest, ListUsers, UpdateUserRequest, UserView, parse_role,
};
use crate::extract::{
    FieldErrors, JsonBody, Paged, PathParam, Query, RequestContext, RequireScope, UsersRead,
    UsersWrite, parse_search_page, truncate_search_page,
};
use crate::middleware::idempotency::Idempotent;
use crate::openapi::OperationExt;
use crate::problem::{Code, Problem};
use crate::state::App;

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/users",
            post_with(Idempotent(create_user), |op| {
                op.id("create_user")
                    .summary("Create a user")
                    .description("No mail is sent. The user can log in from now on.")
                    .json_response::<201, UserView<'static>>("The user.")
                    .location_header::<201>()
                    .problems(&[
                        Code::AlreadyInvited,
                        Code::AlreadyMember,
                        Code::UserDeleting,
                        Code::RoleNotGrantable,
                    ])
            })
            .get_with(list_users, |op| {
                op.id("list_users")
                    .summary("List users")
                    .json_response::<200, Paged<UserView<'static>>>(
                        "A page of users, newest first.",
                    )
            }),
        )
        .merge(one())
}

fn one() -> ApiRouter<App> {
    ApiRouter::new().api_route(
        "/users/{id}",
        get_with(get_user, |op| {
            op.id("get_user")
                .summary("Get a user")
                .json_response::<200, UserView<'static>>("The user.")
        })
        .patch_with(update_user, |op| {
            op.id("update_user")
                .summary("Update a user")
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
        .delete_with(delete_user, |op| {
            op.id("delete_user")
                .summary("Delete a user")
                .description(
                    "Ends the user's sessions at once, and revokes the open invitations with a \
                         role above `member` that they have sent. The user is then deleted at \
                         Stytch and in Guestlist, and is `deleting` until that is done. After \
                         that, the address can be invited again.",
                )
                .json_response::<202, ChangedUserView<'static>>("The user, now `deleting`.")
                .problems(&[Code::LastAdmin, Code::RoleNotGrantable])
        }),
    )
}

async fn create_user(
    by: RequireScope<UsersWrite>,
    RequestContext(ctx): RequestContext,
    JsonBody(request): JsonBody<CreateUserRequest>,
) -> Result<Response, Problem> {
    let request = request.parse(by.caller.manageable_roles())?;
    by.caller.require_grantable(request.role)?;
    let user = flows::add_user(&ctx, request, &by.actor()).await?;
    let headers = [(header::LOCATION, format!("/v1/users/{}", user.id))];
    Ok((StatusCode::CREATED, headers, Json(UserView::from(&user))).into_response())
}

async fn list_users(
    _: RequireScope<UsersRead>,
    State(app): State<App>,
    Query(query): Query<ListUsers>,
) -> Result<Response, Problem> {
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
    let mut users = app.ctx().store.users(&filter, Page { after, limit: limit + 1 }).await?;
    let next_cursor = truncate_search_page(&mut users, limit, |user| filter.cursor(user));
    let items = users.iter().map(UserView::from).collect();
    Ok(Json(Paged { items, next_cursor }).into_response())
}

async fn get_user(
    _: RequireScope<UsersRead>,
    State(app): State<App>,
    id: PathParam<UserId>,
) -> Result<Response, Problem> {
    let user = app.user(id.parse()?).await?;
    Ok(Json(UserView::from(&user)).into_response())
}

async fn update_user(
    by: RequireScope<UsersWrite>,
    RequestContext(ctx): RequestContext,
    id: PathParam<UserId>,
    JsonBody(request): JsonBody<UpdateUserRequest>,
) -> Result<Response, Problem> {
    let change = request.parse(by.caller.manageable_roles())?;
    by.caller.require_grantable(change.role.unwrap_or_default())?;
    let changed = flows::change_user(&ctx, id.parse()?, &change, &by.actor()).await;
    // An empty change only reads the user.
    if change.is_empty() && !matches!(changed, Err(UserError::Forbidden)) {
        by.caller.require_scope(Scope::UsersRead)?;
    }
    Ok(Json(ChangedUserView::from(&changed?)).into_response())
}

async fn delete_user(
    by: RequireScope<UsersWrite>,
    RequestContext(ctx): RequestContext,
    id: PathParam<UserId>,
) -> Result<Response, Problem> {
    let removed =
        flows::remove_user(&ctx, id.parse()?, by.caller.manageable_roles(), &by.actor()).await?;
    Ok((StatusCode::ACCEPTED, Json(ChangedUserView::from(&removed))).into_response())
}
