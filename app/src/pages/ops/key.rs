//! Asks the browser for an API key, so that operators get in while no mail is sent.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use crate::extract::{Authorized, Caller, OpsRead};
use crate::pages::auth::{OPERATIONS, OPERATIONS_WITH_KEY};
use crate::problem::Problem;

/// Handles `GET /ops/key`. Browsers send what they are asked for here to all URLs below `/ops/`.
pub async fn show(caller: Result<Authorized<OpsRead>, Problem>) -> Response {
    match caller {
        Ok(Authorized { caller: Caller::ApiKey(_), .. }) => {
            Redirect::to(OPERATIONS_WITH_KEY).into_response()
        }
        Ok(_) => Redirect::to(OPERATIONS).into_response(),
        Err(problem) => {
            let is_unauthenticated = problem.status() == StatusCode::UNAUTHORIZED;
            let mut response = problem.into_response();
            if is_unauthenticated {
                let basic = HeaderValue::from_static(r#"Basic realm="Guestlist API key""#);
                response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
            }
            response
        }
    }
}
