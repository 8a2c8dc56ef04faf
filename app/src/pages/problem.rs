//! The error page. Errors about links and sessions offer a form to request a link; a link that can
//! be tried again has a button for that.

use askama::Template;
use axum::response::Response;

use super::layout::render;
use crate::extract::{LinkFormValues, LoginFormValues};
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
    /// The link to redeem again.
    link: Option<&'a LinkFormValues>,
    /// Text of the button that requests a link, if the page has one.
    login_button: Option<&'a str>,
    form: &'a LoginFormValues,
}

/// Renders a problem. `form` prefills the login form; `link` can be redeemed again.
pub fn problem_page(
    app: &App,
    problem: &Problem,
    request_id: &str,
    form: &LoginFormValues,
    link: Option<&LinkFormValues>,
) -> Response {
    let template = ProblemPage {
        app_name: &app.site.app_name,
        title: title(problem),
        detail: detail(problem),
        code: problem.code.as_str(),
        request_id,
        link,
        login_button: login_button(problem.code),
        form,
    };
    render(&app.site, problem.status(), &template)
}

/// Returns the text of the page. For invalid fields it names them, as `errors` does in JSON.
fn detail(problem: &Problem) -> String {
    if problem.code == Code::NotFound {
        return "There is no page at this address, or what it showed was removed.".to_owned();
    }
    if problem.code != Code::InvalidRequest || problem.errors.is_empty() {
        return problem.detail.clone();
    }
    let errors = problem.errors.iter().map(|error| match error.pointer.trim_start_matches('/') {
        "" => format!("The form {}.", error.detail),
        field => format!("“{field}” {}.", error.detail),
    });
    errors.collect::<Vec<_>>().join(" ")
}

/// Returns the text of an error for a page with an email form.
pub fn form_error(problem: &Problem) -> String {
    match problem.errors.first() {
        Some(error) if error.pointer == "/email" => format!("The address {}.", error.detail),
        Some(error) => error.detail.clone(),
        None => problem.detail.clone(),
    }
}

fn title(problem: &Problem) -> &'static str {
    match problem.code {
        Code::LinkUsed => "This link has been used",
        Code::LinkExpired => "This link has expired",
        Code::LinkInvalid => "This link does not work",
        Code::InvitationRevoked => "This invitation was revoked",
        Code::AccountSuspended => "This account is suspended",
        Code::NotInvited => "You are not invited",
        Code::SessionMissing | Code::SessionExpired | Code::SessionRevoked => "Log in to continue",
        Code::NotFound => "Page not found",
        Code::Forbidden => "Administrators only",
        Code::CrossOrigin => "Request from another site",
        Code::TooManyRequests => "Too many requests",
        Code::ProviderUnavailable | Code::DatabaseUnavailable => "Temporarily unavailable",
        Code::Timeout => "This took too long",
        _ if problem.status().is_server_error() => "Something went wrong",
        _ => "The request failed",
    }
}

/// Returns the text of the button that requests a link; `None` if a link can't help.
fn login_button(code: Code) -> Option<&'static str> {
    match code {
        Code::LinkUsed | Code::LinkExpired | Code::LinkInvalid => Some("Mail me a new link"),
        Code::InvitationRevoked
        | Code::AccountSuspended
        | Code::NotInvited
        | Code::SessionMissing
        | Code::SessionExpired
        | Code::SessionRevoked => Some("Mail me a link"),
        _ => None,
    }
}
