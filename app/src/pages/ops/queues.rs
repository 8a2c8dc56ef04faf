//! Pausing and resuming queues.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_domain::{QueueName, flows};
use serde::Deserialize;

use super::overview::{RefusedPause, render_overview};
use crate::extract::{Form, PathParam};
use crate::operations::parse_pause_reason;
use crate::pages::auth::FormOperator;
use crate::problem::Problem;
use crate::state::App;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PauseForm {
    reason: String,
}

/// Handles `POST /ops/queues/{name}/pause`.
pub async fn pause(
    form: FormOperator,
    name: PathParam<QueueName>,
    Form(PauseForm { reason }): Form<PauseForm>,
) -> Result<Response, Problem> {
    let queue = name.parse()?;
    match parse_pause_reason(Some(reason.clone())) {
        Ok(reason) => {
            flows::pause_queue(&form.ctx, queue, reason, &form.actor()).await?;
            changed(&form).await
        }
        Err(error) => {
            let error = format!("The reason {error}.");
            let refused = RefusedPause { queue, reason, error };
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            render_overview(&form.page, status, Some(&refused)).await
        }
    }
}

/// Handles `POST /ops/queues/{name}/resume`.
pub async fn resume(form: FormOperator, name: PathParam<QueueName>) -> Result<Response, Problem> {
    flows::resume_queue(&form.ctx, name.parse()?, &form.actor()).await?;
    changed(&form).await
}

async fn changed(form: &FormOperator) -> Result<Response, Problem> {
    let app: &App = &form.page.app;
    app.holds.invalidate().await;
    app.operations.invalidate().await;
    Ok(Redirect::to(form.page.overview_url()).into_response())
}
