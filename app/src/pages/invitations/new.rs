//! The page to invite one person with all options, or several by pasting their addresses.

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use guestlist_domain::flows::{self, VerifiedSession};
use guestlist_domain::{InvitationId, Role, UserId};
use serde::Deserialize;
use serde_json::Value;

use super::actions::redirect_back;
use super::form::{InviteFields, field_error};
use super::paste::Pasted;
use crate::extract::{Form, Query};
use crate::pages::auth::{FormAdmin, PageAdmin};
use crate::pages::layout::render;
use crate::pages::shell::{Section, Shell};
use crate::problem::{Code, FieldError, Problem};
use crate::state::App;

#[derive(Debug, Deserialize)]
pub struct NewQuery {
    email: Option<String>,
    /// The invitation to repeat.
    again: Option<InvitationId>,
}

/// What the page shows besides the empty forms.
#[derive(Default)]
pub struct NewView {
    pub fields: InviteFields,
    /// Why the fields were refused.
    pub problem: Option<Problem>,
    /// The pasted addresses, each with its result.
    pub pasted: Pasted,
}

#[derive(Template)]
#[template(path = "invitations/new.html")]
struct NewPage<'a> {
    shell: Shell<'a>,
    fields: InviteFields,
    /// Minutes and text.
    lifetimes: Vec<(String, String)>,
    refusal: Option<Refusal>,
    errors: Vec<FieldError>,
    pasted: Pasted,
}

/// Why the form to invite one person was refused, unless single fields were.
enum Refusal {
    Member(Option<UserId>),
    Invited(Option<InvitationId>),
    Other(String),
}

/// The attributes of a field that is wrong.
#[derive(Template)]
#[template(
    source = r#"{% if let Some(id) = described_by %} aria-invalid="true" aria-describedby="{{ id }}"{% endif %}"#,
    ext = "html"
)]
struct FieldMark {
    /// The id of the element that says what is wrong.
    described_by: Option<String>,
}

impl HtmlSafe for FieldMark {}

/// What is wrong with a field; empty if nothing is.
#[derive(Template)]
#[template(
    source = r#"{% if let Some(text) = text %}<p class="error" id="{{ field }}-error">{{ text }}</p>{% endif %}"#,
    ext = "html"
)]
struct FieldMessage {
    field: &'static str,
    text: Option<String>,
}

impl HtmlSafe for FieldMessage {}

/// Handles `GET /invitations/new`.
pub async fn show(
    PageAdmin(viewer): PageAdmin,
    State(app): State<App>,
    Query(query): Query<NewQuery>,
) -> Result<Response, Problem> {
    let repeated = match query.again {
        Some(id) => app.ctx.store.invitation(id).await?,
        None => None,
    };
    let mut fields = repeated.as_ref().map(InviteFields::of).unwrap_or_default();
    if let Some(email) = query.email {
        fields.email = email;
    }
    new_page(&app, &viewer, NewView { fields, ..NewView::default() }).await
}

/// Handles `POST /invitations`.
pub async fn create(
    admin: FormAdmin,
    Form(fields): Form<InviteFields>,
) -> Result<Response, Problem> {
    let problem = match fields.parse(&admin.app.site) {
        Ok(request) => match flows::invite(&admin.ctx, request, &admin.actor).await {
            Ok(invitation) => {
                let back = fields.back.as_deref();
                return Ok(redirect_back(&admin.app, back, invitation.id).await);
            }
            Err(error) => Problem::from(error),
        },
        Err(problem) => problem,
    };
    if !problem.status().is_client_error() {
        return Err(problem);
    }
    let view = NewView { fields, problem: Some(problem), ..NewView::default() };
    new_page(&admin.app, &admin.viewer, view).await
}

pub async fn new_page(
    app: &App,
    viewer: &VerifiedSession,
    view: NewView,
) -> Result<Response, Problem> {
    let NewView { fields, problem, pasted } = view;
    let too_many = pasted.error.as_ref().map(|_| StatusCode::UNPROCESSABLE_ENTITY);
    let status = problem.as_ref().map(Problem::status).or(too_many).unwrap_or(StatusCode::OK);
    let template = NewPage {
        shell: Shell::new(app, viewer, Some(Section::Invitations), "/invitations/new").await?,
        lifetimes: fields.lifetimes(app.ctx.policy.invitation_minutes),
        fields,
        refusal: problem.as_ref().and_then(refusal),
        errors: problem.map(|problem| problem.errors).unwrap_or_default(),
        pasted,
    };
    Ok(render(&app.site, status, &template))
}

fn refusal(problem: &Problem) -> Option<Refusal> {
    let id = |name: &str| problem.extensions.get(name).and_then(Value::as_str);
    match problem.code {
        Code::InvalidRequest if !problem.errors.is_empty() => None,
        Code::AlreadyMember => Some(Refusal::Member(id("user_id").and_then(|id| id.parse().ok()))),
        Code::AlreadyInvited => {
            Some(Refusal::Invited(id("invitation_id").and_then(|id| id.parse().ok())))
        }
        _ => Some(Refusal::Other(problem.detail.clone())),
    }
}

impl NewPage<'_> {
    /// Returns what is wrong with the fields, as sentences.
    fn error_texts(&self) -> Vec<String> {
        self.errors.iter().map(field_error).collect()
    }

    /// Returns the attributes that mark a field as wrong; nothing if it is not.
    fn mark(&self, field: &'static str) -> FieldMark {
        let is_refused = match field {
            "email" => self.refusal.is_some(),
            "addresses" => self.pasted.error.is_some(),
            _ => false,
        };
        let described_by = match self.message(field).text {
            Some(_) => Some(format!("{field}-error")),
            None if is_refused && field == "email" => Some("refusal".to_owned()),
            None => is_refused.then(|| format!("{field}-error")),
        };
        FieldMark { described_by }
    }

    /// Returns what is wrong with a field, to be shown below it.
    fn message(&self, field: &'static str) -> FieldMessage {
        let is_about = |error: &&FieldError| error.pointer.trim_start_matches('/') == field;
        FieldMessage { field, text: self.errors.iter().find(is_about).map(field_error) }
    }
}
