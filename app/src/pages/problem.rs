//! What went wrong, for people; and for each failed link the way to a new one.

use askama::Template;
use axum::response::Response;

use super::page;
use crate::http::{App, Problem};

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    app_name: &'a str,
    title: &'a str,
    detail: &'a str,
    code: &'a str,
    request_id: &'a str,
    offers_login: bool,
    email: &'a str,
}

/// A page for a problem.
pub fn problem(app: &App, problem: &Problem, request_id: &str, hint: Option<&str>) -> Response {
    let email = problem.email.as_deref().or(hint).unwrap_or_default();
    let template = ProblemPage {
        app_name: &app.site().app_name,
        title: title(problem),
        detail: &problem.detail,
        code: problem.code,
        request_id,
        offers_login: offers_login(problem.code),
        email,
    };
    page(app.site(), problem.status, &template)
}

fn title(problem: &Problem) -> &'static str {
    match problem.code {
        "link_used" => "This link has been used",
        "link_expired" => "This link has expired",
        "link_invalid" => "This link does not work",
        "invitation_revoked" => "This invitation was taken back",
        "account_suspended" => "This account is suspended",
        "not_invited" => "You are not invited yet",
        "session_missing" | "session_expired" | "session_revoked" => "Please log in",
        "not_found" => "Nothing is here",
        "forbidden" => "This is for administrators",
        "cross_origin" => "This request came from elsewhere",
        "too_many_requests" => "A little slower, please",
        "provider_unavailable" | "database_unavailable" => "Not just now",
        _ if problem.status.is_server_error() => "Something went wrong",
        _ => "That did not work",
    }
}

fn offers_login(code: &str) -> bool {
    matches!(
        code,
        "link_used"
            | "link_expired"
            | "link_invalid"
            | "invitation_revoked"
            | "account_suspended"
            | "not_invited"
            | "session_missing"
            | "session_expired"
            | "session_revoked"
    )
}
