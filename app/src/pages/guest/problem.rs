//! Error pages. Each says why, and offers one way on.
//!
//! Refused links and sessions offer a form to request a link, if a link would help; a link that can
//! be tried again has a button for that.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;

use super::durations::wait_text;
use crate::extract::{ErrorPageValues, FailedLink, LinkFormValues, LoginFormValues};
use crate::pages::components::{Moment, When, brand};
use crate::pages::layout::render;
use crate::problem::{Code, Problem};
use crate::state::App;

/// The page of a refused link or session.
#[derive(Template)]
#[template(path = "guest/refused.html")]
struct RefusedPage<'a> {
    app_name: &'a str,
    title: &'a str,
    text: String,
    link: Option<&'a FailedLink>,
    way_on: NewLogin,
    form: &'a LoginFormValues,
    code: &'a str,
    request_id: &'a str,
    now: Timestamp,
}

impl RefusedPage<'_> {
    fn when(&self, at: Timestamp) -> When {
        When { at, now: self.now }
    }
}

/// How a user whose link or session was refused can log in.
#[derive(Clone, Copy)]
enum NewLogin {
    /// A form that requests a link, with the text of its button.
    Form(&'static str),
    /// A link to the login page, after a question. A link could not be mailed now.
    Later(&'static str),
}

#[derive(Template)]
#[template(path = "guest/error.html")]
struct ErrorPage<'a> {
    app_name: &'a str,
    title: &'a str,
    text: String,
    way_on: WayOn<'a>,
    /// Whether the error is not the caller's.
    is_fault: bool,
    code: &'a str,
    request_id: &'a str,
    at: Moment,
}

enum WayOn<'a> {
    /// The link can be redeemed again.
    Redeem(&'a LinkFormValues),
    Reload,
    Home,
}

/// Renders a problem.
pub fn problem_page(
    app: &App,
    problem: &Problem,
    request_id: &str,
    values: &ErrorPageValues,
    is_get: bool,
) -> Response {
    let (app_name, title, code) = (&app.site.app_name, title(problem), problem.code.as_str());
    let (text, now) = (text(problem, values), app.ctx.now());
    if let Some(way_on) = new_login(problem.code).filter(|_| values.link_form.is_none()) {
        let (form, link) = (&values.login_form, values.failed_link.as_ref());
        let template =
            RefusedPage { app_name, title, text, link, way_on, form, code, request_id, now };
        return render(&app.site, problem.status(), &template);
    }
    let is_temporary =
        problem.status().is_server_error() || problem.status() == StatusCode::TOO_MANY_REQUESTS;
    let way_on = match &values.link_form {
        Some(link) => WayOn::Redeem(link),
        None if is_temporary && is_get => WayOn::Reload,
        None => WayOn::Home,
    };
    let is_fault = problem.status().is_server_error();
    let at = Moment(now);
    let template = ErrorPage { app_name, title, text, way_on, is_fault, code, request_id, at };
    render(&app.site, problem.status(), &template)
}

/// Returns the text of the page. For invalid fields it names them, as `errors` does in JSON.
fn text(problem: &Problem, values: &ErrorPageValues) -> String {
    match problem.code {
        Code::NotFound => {
            "There is no page at this address, or what it showed was removed.".to_owned()
        }
        Code::MethodNotAllowed => {
            "This address only receives forms. Open the page from the navigation.".to_owned()
        }
        Code::InvitationRevoked => "The link no longer works, and a new one can’t be sent. If you \
                                    think that this is a mistake, ask the person who invited you \
                                    for a new invitation."
            .to_owned(),
        Code::SessionMissing | Code::SessionExpired | Code::SessionRevoked => {
            "Nothing was changed. Log in, then go back and try again.".to_owned()
        }
        Code::TooManyRequests => {
            let wait = problem.retry_after.unwrap_or_default();
            let kept = if values.link_form.is_some() { " The link can still be used." } else { "" };
            format!("Try again in {}.{kept}", wait_text(wait))
        }
        Code::InvalidRequest if !problem.errors.is_empty() => {
            let errors = problem.errors.iter();
            let errors = errors.map(|error| match error.pointer.trim_start_matches('/') {
                "" => format!("The form {}.", error.detail),
                field => format!("“{field}” {}.", error.detail),
            });
            errors.collect::<Vec<_>>().join(" ")
        }
        _ => problem.detail.clone(),
    }
}

/// Returns the text of an error for a page with an email form.
pub fn form_error(problem: &Problem) -> String {
    match problem.errors.first() {
        Some(error) if error.pointer == "/email" => format!("The address {}.", error.detail),
        Some(error) => error.detail.clone(),
        None if problem.code == Code::TooManyRequests => {
            let wait = problem.retry_after.unwrap_or_default();
            format!("Too many requests. Try again in {}.", wait_text(wait))
        }
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
        Code::SessionExpired | Code::SessionRevoked => "Your session has ended",
        Code::SessionMissing => "Log in to continue",
        Code::NotFound => "Page not found",
        Code::Forbidden | Code::ScopeMissing => "You may not do this",
        Code::CrossOrigin => "Request from another site",
        Code::TooManyRequests => "Too many requests",
        Code::ProviderUnavailable | Code::DatabaseUnavailable => "Temporarily unavailable",
        Code::Timeout => "This took too long",
        _ if problem.status().is_server_error() => "Something went wrong",
        _ => "The request failed",
    }
}

/// Returns how to log in after a refusal; `None` if the problem is another.
fn new_login(code: Code) -> Option<NewLogin> {
    match code {
        Code::LinkUsed | Code::LinkExpired | Code::LinkInvalid => {
            Some(NewLogin::Form("Mail me a new link"))
        }
        Code::SessionMissing | Code::SessionExpired | Code::SessionRevoked => {
            Some(NewLogin::Form("Mail me a link"))
        }
        Code::InvitationRevoked => Some(NewLogin::Later("Have an account?")),
        Code::AccountSuspended => Some(NewLogin::Later("Reactivated in the meantime?")),
        Code::NotInvited => Some(NewLogin::Later("Invited in the meantime?")),
        _ => None,
    }
}
