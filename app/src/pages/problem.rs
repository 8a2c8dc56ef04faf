//! What went wrong, for people; and for each failed link the way to a new one.

use askama::Template;
use axum::response::Response;

use super::page;
use crate::extract::LoginForm;
use crate::problem::{Code, Problem};
use crate::state::App;

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    app_name: &'a str,
    title: &'a str,
    detail: String,
    code: &'a str,
    request_id: &'a str,
    offers_login: bool,
    email: &'a str,
    return_to: Option<&'a str>,
}

/// A page for a problem.
pub fn problem(app: &App, problem: &Problem, request_id: &str, form: &LoginForm) -> Response {
    let template = ProblemPage {
        app_name: &app.site().app_name,
        title: title(problem),
        detail: detail(problem),
        code: problem.code.as_str(),
        request_id,
        offers_login: offers_login(problem.code),
        email: form.email.as_deref().unwrap_or_default(),
        return_to: form.return_to.as_deref(),
    };
    page(app.site(), problem.status(), &template)
}

/// A page says by itself what else a program reads in `errors`.
fn detail(problem: &Problem) -> String {
    let is_told = problem.code != Code::InvalidRequest || problem.errors.is_empty();
    if is_told {
        return problem.detail.clone();
    }
    let errors = problem.errors.iter().map(|error| match error.pointer.trim_start_matches('/') {
        "" => format!("The form {}.", error.detail),
        field => format!("“{field}” {}.", error.detail),
    });
    errors.collect::<Vec<_>>().join(" ")
}

fn title(problem: &Problem) -> &'static str {
    match problem.code {
        Code::LinkUsed => "This link has been used",
        Code::LinkExpired => "This link has expired",
        Code::LinkInvalid => "This link does not work",
        Code::InvitationRevoked => "This invitation was taken back",
        Code::AccountSuspended => "This account is suspended",
        Code::NotInvited => "You are not invited yet",
        Code::SessionMissing | Code::SessionExpired | Code::SessionRevoked => "Please log in",
        Code::NotFound => "Nothing is here",
        Code::Forbidden => "This is for administrators",
        Code::CrossOrigin => "This request came from elsewhere",
        Code::TooManyRequests => "A little slower, please",
        Code::ProviderUnavailable | Code::DatabaseUnavailable => "Not just now",
        _ if problem.status().is_server_error() => "Something went wrong",
        _ => "That did not work",
    }
}

fn offers_login(code: Code) -> bool {
    matches!(
        code,
        Code::LinkUsed
            | Code::LinkExpired
            | Code::LinkInvalid
            | Code::InvitationRevoked
            | Code::AccountSuspended
            | Code::NotInvited
            | Code::SessionMissing
            | Code::SessionExpired
            | Code::SessionRevoked
    )
}
