//! Logging in, and one's own sessions. None of these POSTs takes an `Idempotency-Key`: anybody may
//! make them, or what they answer is secret.

use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with, post_with};

use crate::http::login::{
    Asked, Login, NewLogin, create_session, delete_session, get_session, request_login,
};
use crate::http::openapi::Told;
use crate::http::paging::Paged;
use crate::http::problem::Code;
use crate::http::sessions::{end_session, list_sessions};
use crate::http::state::App;
use crate::http::view::OwnSessionView;

/// How a link may fail.
pub const LINK: &[Code] = &[
    Code::LinkUsed,
    Code::LinkExpired,
    Code::LinkInvalid,
    Code::InvitationRevoked,
    Code::AccountSuspended,
    Code::NotInvited,
    Code::ProviderUnavailable,
];

/// The routes under `/v1`.
pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/login",
            post_with(request_login, |op| {
                op.told("request_login", "Ask for a link to log in with")
                    .description(
                        "The answer is the same for every address, known or not. A mail goes \
                         out if the address may come in.",
                    )
                    .answers::<202, Asked<'static>>("It was heard.")
            }),
        )
        .api_route(
            "/session",
            get_with(get_session, |op| {
                op.told("get_session", "Who is logged in?")
                    .description(
                        "How your application learns it: from the browser, or from your backend, \
                         which passes on the cookie or the token.",
                    )
                    .answers::<200, Login<'static>>("They are.")
            })
            .delete_with(delete_session, |op| {
                op.told("delete_session", "Log out")
                    .answers_plainly::<204>(None, "The session is ended here and at Stytch.")
            }),
        )
        .api_route(
            "/sessions",
            post_with(create_session, |op| {
                op.told("create_session", "Come in by a link's token")
                    .description(
                        "For your own Continue page: what `POST /authenticate` does, without \
                         cookies. The two secrets are yours to keep.",
                    )
                    .answers::<201, NewLogin<'static>>("They are in.")
                    .refuses(LINK)
            })
            .get_with(list_sessions, |op| {
                op.told("list_sessions", "See where I am logged in")
                    .answers::<200, Paged<OwnSessionView<'static>>>("A page of live sessions.")
            }),
        )
        .api_route(
            "/sessions/{id}",
            delete_with(end_session, |op| {
                op.told("end_session", "End one of my sessions")
                    .answers_plainly::<204>(None, "It is refused from now on, everywhere.")
            }),
        )
}
