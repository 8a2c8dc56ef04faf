//! What stands outside `/v1`: where links lead, and what machines ask of the process.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use guestlist_worker::metrics::OPENMETRICS;

use super::logins::LINK;
use crate::http::health::{is_live, is_ready};
use crate::http::openapi::Told;
use crate::http::ops::metrics::metrics;
use crate::http::state::App;
use crate::http::webhooks;
use crate::pages::authenticate;

/// Where links lead.
pub fn pages() -> ApiRouter<App> {
    ApiRouter::new().api_route(
        "/authenticate",
        get_with(authenticate::show, |op| {
            op.told("show_link", "The page that a link leads to")
                .description("A button, Continue. Opening the page consumes nothing.")
                .answers_plainly::<200>(Some("text/html"), "The page.")
                .refuses(LINK)
        })
        .post_with(authenticate::redeem, |op| {
            op.told("press_continue", "Come in by a link")
                .description(
                    "What the page's button does: authenticates at Stytch, sets the cookies, and \
                     leads on to where the person wanted to go.",
                )
                .answers_plainly::<303>(Some("text/html"), "They are in, with cookies.")
                .refuses(LINK)
        }),
    )
}

/// Where Stytch calls.
pub fn hooks() -> ApiRouter<App> {
    ApiRouter::new().api_route(
        "/webhooks/stytch",
        post_with(webhooks::hear, |op| {
            op.told("hear", "Stytch tells what became of somebody")
                .description(
                    "Give this address to Stytch as a webhook endpoint, for the events of users, \
                     and its secret as `STYTCH_WEBHOOK_SECRET`, without which it is not there. \
                     What is told is not believed but looked up at Stytch, unless it fits what \
                     stands here; told again, or late, it does nothing.",
                )
                .answers_plainly::<204>(None, "Heard.")
        }),
    )
}

/// For machines.
pub fn probes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/healthz",
            get_with(is_live, |op| {
                op.told("is_live", "Does the process live?")
                    .answers_plainly::<200>(Some("text/plain"), "It does.")
            }),
        )
        .api_route(
            "/readyz",
            get_with(is_ready, |op| {
                op.told("is_ready", "Can it serve?")
                    .description("The database can be reached and holds the schema.")
                    .answers_plainly::<200>(Some("text/plain"), "It can.")
            }),
        )
        .api_route(
            "/metrics",
            get_with(metrics, |op| {
                op.told("metrics", "Figures for Prometheus")
                    .answers_plainly::<200>(Some(OPENMETRICS), "OpenMetrics text.")
            }),
        )
}
