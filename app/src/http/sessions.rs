//! Sessions by HTTP: a person's own, and, for whoever manages people, anybody's.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use guestlist_domain::flows::EndAllError;
use guestlist_domain::{Page, Session, SessionId, UserId, flows};
use schemars::JsonSchema;
use serde::Deserialize;

use super::answer::Outgoing;
use super::auth::{May, Person, UsersRead, UsersWrite, out_of_reach};
use super::body::{Fields, Params};
use super::login::leave_cookies;
use super::named::Named;
use super::openapi::shapes;
use super::paging::{Paged, cut, page};
use super::problem::Problem;
use super::state::App;
use super::users;
use super::view::{OwnSessionView, Revoked, SessionView};
use super::world::World;

/// Which page.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = shapes::query)]
pub struct ListSessions {
    #[schemars(with = "Option<shapes::Limit>")]
    limit: Option<String>,
    #[schemars(with = "Option<shapes::Cursor>")]
    cursor: Option<String>,
}

impl ListSessions {
    fn read(&self) -> Result<Page<SessionId>, Problem> {
        let mut fields = Fields::default();
        let page = page(self.limit.as_deref(), self.cursor.as_deref(), SessionId, &mut fields);
        if fields.is_empty() { Ok(page) } else { Err(fields.into_problem()) }
    }
}

async fn live(
    app: &App,
    of: UserId,
    Page { after, limit }: Page<SessionId>,
) -> Result<(Vec<Session>, Option<String>), Problem> {
    let (ctx, piece) = (app.ctx(), Page { after, limit: limit + 1 });
    let mut found = ctx.store.sessions(of, ctx.now(), piece).await?;
    let next_cursor = cut(&mut found, limit, |session| session.id.0);
    Ok((found, next_cursor))
}

/// `GET /v1/sessions`
pub async fn list_sessions(
    Person(me): Person,
    State(app): State<App>,
    Params(query): Params<ListSessions>,
) -> Result<Response, Problem> {
    let (found, next_cursor) = live(&app, me.user.id, query.read()?).await?;
    let items = found.iter().map(|found| OwnSessionView::of(found, me.session.id)).collect();
    Ok(Json(Paged { items, next_cursor }).into_response())
}

/// `DELETE /v1/sessions/{id}`
pub async fn end_session(
    Person(me): Person,
    State(app): State<App>,
    World(ctx): World,
    id: Named<SessionId>,
    Extension(outgoing): Extension<Outgoing>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let not_found = || Problem::not_found("session");
    let id = id.read()?;
    if id == me.session.id {
        flows::log_out(&ctx, &me.session, &me.user).await?;
        leave_cookies(&app, &outgoing, &headers);
        return Ok(StatusCode::NO_CONTENT);
    }
    let by = guestlist_domain::Actor::of(&me.user);
    flows::end_session(&ctx, me.user.id, id, &by).await?.ok_or_else(not_found)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/sessions/revoke-others`
pub async fn end_other_sessions(
    Person(me): Person,
    World(ctx): World,
) -> Result<Response, Problem> {
    let by = guestlist_domain::Actor::of(&me.user);
    let revoked = flows::end_other_sessions(&ctx, me.user.id, me.session.id, &by).await?;
    Ok(Json(Revoked { revoked }).into_response())
}

/// `GET /v1/users/{id}/sessions`
pub async fn list_user_sessions(
    _: May<UsersRead>,
    State(app): State<App>,
    id: Named<UserId>,
    Params(query): Params<ListSessions>,
) -> Result<Response, Problem> {
    let piece = query.read()?;
    let id = id.read()?;
    users::find(&app, id).await?;
    let (found, next_cursor) = live(&app, id, piece).await?;
    let items = found.iter().map(SessionView::from).collect();
    Ok(Json(Paged { items, next_cursor }).into_response())
}

/// `DELETE /v1/users/{id}/sessions`
pub async fn end_user_sessions(
    by: May<UsersWrite>,
    World(ctx): World,
    id: Named<UserId>,
) -> Result<StatusCode, Problem> {
    flows::end_all_sessions(&ctx, id.read()?, by.caller.reach(), &by.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<EndAllError> for Problem {
    fn from(error: EndAllError) -> Self {
        match error {
            EndAllError::NotFound => users::not_found(),
            EndAllError::Forbidden => out_of_reach(),
            EndAllError::Store(error) => error.into(),
        }
    }
}
