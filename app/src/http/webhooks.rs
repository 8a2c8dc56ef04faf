//! Stytch's webhooks: what it tells by itself.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use guestlist_domain::IdentityEvent;
use guestlist_domain::flows;
use guestlist_stytch::{Signature, WebhookError};

use super::body::unread;
use super::problem::{Code, Problem};
use super::state::App;

/// The headers that Svix signs with: which message, when, and the signatures.
pub const HEADERS: [&str; 3] = ["svix-id", "svix-timestamp", "svix-signature"];

/// A webhook that Stytch has signed, with the news of somebody, if that is what it tells.
#[derive(Debug)]
pub struct Webhook(Option<IdentityEvent>);

impl FromRequest<App> for Webhook {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let Some(webhooks) = app.webhooks() else { return Err(Problem::not_found("address")) };
        let headers = request.headers().clone();
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let [Some(id), Some(timestamp), Some(signatures)] = HEADERS.map(header) else {
            return Err(WebhookError::Signature.into());
        };
        let signature = Signature { id, timestamp, signatures };
        let body = Bytes::from_request(request, app).await.map_err(|error| unread(&error))?;
        Ok(Self(webhooks.read(signature, &body, app.ctx().now())?))
    }
}

/// `POST /webhooks/stytch`
pub async fn hear(State(app): State<App>, Webhook(news): Webhook) -> Result<StatusCode, Problem> {
    if let Some(news) = news {
        let heard = flows::handle_identity_webhook(app.ctx(), &news).await?;
        let (message, identity) = (&news.message_id, &news.provider_user_id);
        tracing::debug!(?heard, message, identity, "heard from Stytch");
        app.requests().heard(heard);
    }
    Ok(StatusCode::NO_CONTENT)
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        tracing::warn!(%error, "a webhook was refused");
        let (code, detail) = match &error {
            WebhookError::Signature => (
                Code::SignatureInvalid,
                "No signature of it was made with STYTCH_WEBHOOK_SECRET: set that to the secret \
                 of the endpoint that the dashboard shows.",
            ),
            WebhookError::Stale => (
                Code::SignatureExpired,
                "It was not signed within five minutes of now; if it was, a clock is wrong.",
            ),
            WebhookError::OtherProject => {
                (Code::InvalidRequest, "It is of another project than STYTCH_PROJECT_ID.")
            }
            WebhookError::Malformed(why) => {
                return Self::new(Code::InvalidRequest, format!("It can't be read: {why}."));
            }
        };
        Self::new(code, detail)
    }
}
