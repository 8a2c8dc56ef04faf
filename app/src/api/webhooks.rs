//! Webhooks of Stytch.

use aide::axum::ApiRouter;
use aide::axum::routing::post_with;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use guestlist_domain::{IdentityEvent, flows};
use guestlist_stytch::{Signature, WebhookError};
use schemars::json_schema;

use crate::extract::read_body;
use crate::openapi::operation::{
    GenContext, Operation, OperationInput, add_body, add_header, add_problems,
};
use crate::openapi::{ApiRouterExt, OperationExt};
use crate::problem::{Code, Problem};
use crate::state::App;

/// The headers of a Svix signature, and their descriptions.
const SIGNATURE_HEADERS: [(&str, &str); 3] = [
    ("svix-id", "The message's id."),
    ("svix-timestamp", "When the message was signed, in Unix seconds."),
    ("svix-signature", "The message's signatures, separated by spaces."),
];

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().route_with(post_with, "/webhooks/stytch", receive_webhook, |op| {
        op.named("receive_stytch_webhook", "Receive a Stytch webhook")
            .description(
                "Create a webhook endpoint with this URL in the Stytch dashboard, for the \
                 events of users, and set `STYTCH_WEBHOOK_SECRET` to its secret; without the \
                 secret this route does not exist. An event that contradicts the database is \
                 not trusted: the user is looked up at Stytch. Duplicate and late events have \
                 no effect.",
            )
            .raw_response::<204>(None, "Received.")
    })
}

/// A webhook with a valid signature; `None` if its event is of no interest.
struct Webhook(Option<IdentityEvent>);

impl FromRequest<App> for Webhook {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let Some(webhooks) = &app.webhooks else { return Err(Problem::not_found("route")) };
        let headers = request.headers().clone();
        let header = |(name, _)| headers.get(name).and_then(|value| value.to_str().ok());
        let [Some(id), Some(timestamp), Some(signatures)] = SIGNATURE_HEADERS.map(header) else {
            return Err(WebhookError::Signature.into());
        };
        let signature = Signature { id, timestamp, signatures };
        let body = read_body(request, app).await?;
        Ok(Self(webhooks.verify(signature, &body, app.ctx.now())?))
    }
}

impl OperationInput for Webhook {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        for (name, description) in SIGNATURE_HEADERS {
            add_header(operation, name, description, true, json_schema!({ "type": "string" }));
        }
        add_body(ctx, operation, "application/json", json_schema!({ "type": "object" }));
        add_problems(
            operation,
            &[Code::SignatureInvalid, Code::SignatureExpired, Code::InvalidRequest, Code::NotFound],
        );
    }
}

async fn receive_webhook(
    State(app): State<App>,
    Webhook(event): Webhook,
) -> Result<StatusCode, Problem> {
    if let Some(event) = event {
        let outcome = flows::handle_identity_webhook(&app.ctx, &event).await?;
        let (message_id, stytch_user_id) = (&event.message_id, &event.provider_user_id);
        tracing::debug!(?outcome, message_id, stytch_user_id, "webhook received");
        app.metrics.count_webhook(outcome);
    }
    Ok(StatusCode::NO_CONTENT)
}
