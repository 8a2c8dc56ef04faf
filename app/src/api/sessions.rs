//! Sessions: the caller's own, and those of users for administrators.

mod types;

use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with, post_with};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use guestlist_domain::{Actor, Ctx, Page, Session, SessionId, UserId, flows};

use self::types::{
    CreateSessionRequest, CurrentSessionView, ListSessions, NewSessionView, OwnSessionView,
    RevokedSessions, SessionView,
};
use crate::extract::{
    Authorized, JsonBody, Paged, PathParam, Query, RequestContext, RequireSession, ResponseEffects,
    SameOrigin, UsersRead, UsersWrite,
};
use crate::middleware::idempotency::Idempotent;
use crate::openapi::{ApiRouterExt, OperationExt};
use crate::problem::{ApiResult, Code, Problem};
use crate::sessions::redemption::{LinkHolder, PresentedLink, redeem_link};
use crate::sessions::{LINK_PROBLEMS, cookies};
use crate::state::App;

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().merge(current()).merge(own()).merge(of_users())
}

fn current() -> ApiRouter<App> {
    ApiRouter::new()
        .route_with(get_with, "/session", get_session, |op| {
            op.named("get_session", "Get the current session")
                .description(
                    "Tells your application who is logged in. Call it from the browser, or from \
                     your backend with the browser's cookie or token.",
                )
                .json_response::<200, CurrentSessionView<'static>>("The session and its user.")
        })
        .route_with(delete_with, "/session", log_out, |op| {
            op.named("log_out", "Log out")
                .description("Revokes the current session in Guestlist and at Stytch.")
                .raw_response::<204>(None, "Logged out.")
        })
}

fn own() -> ApiRouter<App> {
    ApiRouter::new()
        .route_with(post_with, "/sessions", create_session, |op| {
            op.named("create_session", "Create a session")
                .description(
                    "Redeems a link for your own Continue page or client: does what `POST \
                     /authenticate` does, but returns the session's secrets instead of \
                     setting cookies. `Idempotency-Key` is ignored, since secrets are not \
                     stored.",
                )
                .json_response::<201, NewSessionView<'static>>("The session and its secrets.")
                .problems(LINK_PROBLEMS)
        })
        .route_with(get_with, "/sessions", list_sessions, |op| {
            op.named("list_sessions", "List your sessions")
                .json_response::<200, Paged<OwnSessionView<'static>>>(
                    "A page of active sessions, newest first.",
                )
        })
        .route_with(delete_with, "/sessions/{id}", revoke_session, |op| {
            op.named("revoke_session", "Revoke one of your sessions")
                .raw_response::<204>(None, "The session is refused from now on.")
        })
        .route_with(post_with, "/sessions/revoke-others", Idempotent(revoke_other_sessions), |op| {
            op.named("revoke_other_sessions", "Revoke all your other sessions")
                .json_response::<200, RevokedSessions>("How many sessions were revoked.")
        })
}

fn of_users() -> ApiRouter<App> {
    ApiRouter::new()
        .route_with(get_with, "/users/{id}/sessions", list_user_sessions, |op| {
            op.named("list_user_sessions", "List a user's sessions")
                .json_response::<200, Paged<SessionView<'static>>>(
                    "A page of active sessions, newest first.",
                )
        })
        .route_with(delete_with, "/users/{id}/sessions", revoke_user_sessions, |op| {
            op.named("revoke_user_sessions", "Revoke all sessions of a user")
                .raw_response::<204>(None, "The sessions are refused from now on.")
                .problems(&[Code::RoleNotGrantable])
        })
}

async fn get_session(RequireSession(me): RequireSession) -> Response {
    Json(CurrentSessionView::from(&me)).into_response()
}

async fn log_out(
    RequireSession(me): RequireSession,
    State(app): State<App>,
    RequestContext(ctx): RequestContext,
    Extension(effects): Extension<ResponseEffects>,
    headers: HeaderMap,
) -> ApiResult<StatusCode> {
    flows::log_out(&ctx, &me.session, &me.user).await?;
    effects.replace_cookies(cookies::log_out(&app.site, &headers));
    Ok(StatusCode::NO_CONTENT)
}

async fn create_session(
    _: SameOrigin,
    holder: LinkHolder,
    State(app): State<App>,
    JsonBody(request): JsonBody<CreateSessionRequest>,
) -> ApiResult {
    let link = PresentedLink { token: request.token, invitation: request.invitation };
    let login = redeem_link(&app, holder, link, None).await?;
    Ok((StatusCode::CREATED, Json(NewSessionView::from(&login))).into_response())
}

async fn list_sessions(
    RequireSession(me): RequireSession,
    State(app): State<App>,
    Query(query): Query<ListSessions>,
) -> ApiResult {
    let sessions = active_sessions(&app.ctx, me.user.id, query.parse()?).await?;
    Ok(sessions.respond(|session| OwnSessionView::new(session, me.session.id)))
}

async fn revoke_session(
    RequireSession(me): RequireSession,
    State(app): State<App>,
    RequestContext(ctx): RequestContext,
    id: PathParam<SessionId>,
    Extension(effects): Extension<ResponseEffects>,
    headers: HeaderMap,
) -> ApiResult<StatusCode> {
    let id = id.parse()?;
    if id == me.session.id {
        flows::log_out(&ctx, &me.session, &me.user).await?;
        effects.replace_cookies(cookies::log_out(&app.site, &headers));
        return Ok(StatusCode::NO_CONTENT);
    }
    let ended = flows::end_session(&ctx, me.user.id, id, &Actor::of(&me.user)).await?;
    ended.ok_or_else(|| Problem::not_found("session"))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn revoke_other_sessions(
    RequireSession(me): RequireSession,
    RequestContext(ctx): RequestContext,
) -> ApiResult {
    let by = Actor::of(&me.user);
    let revoked = flows::end_other_sessions(&ctx, me.user.id, me.session.id, &by).await?;
    Ok(Json(RevokedSessions { revoked }).into_response())
}

async fn list_user_sessions(
    auth: Authorized<UsersRead>,
    id: PathParam<UserId>,
    Query(query): Query<ListSessions>,
) -> ApiResult {
    let page = query.parse()?;
    let user = auth.app.user(id.parse()?).await?;
    Ok(active_sessions(&auth.ctx, user.id, page).await?.respond(SessionView::from))
}

async fn revoke_user_sessions(
    auth: Authorized<UsersWrite>,
    id: PathParam<UserId>,
) -> ApiResult<StatusCode> {
    let manageable = auth.manageable_roles();
    flows::end_all_sessions(&auth.ctx, id.parse()?, manageable, &auth.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn active_sessions(
    ctx: &Ctx,
    user: UserId,
    Page { after, limit }: Page<SessionId>,
) -> ApiResult<Paged<Session>> {
    let page = Page { after, limit: limit + 1 };
    let sessions = ctx.store.sessions(user, ctx.now(), page).await?;
    Ok(Paged::new(sessions, limit, |session| session.id.into()))
}
