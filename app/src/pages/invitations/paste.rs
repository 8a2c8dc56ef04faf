//! Inviting several people by pasting their addresses.

use askama::Template;
use askama::filters::HtmlSafe;
use axum::response::Response;
use futures::StreamExt;
use guestlist_domain::flows::{self, InviteError, NewInvitation};
use guestlist_domain::{Email, InvitationId, ManageableRoles, Metadata, Role, UserId};
use serde::Deserialize;

use super::lines::{Line, parse_lines};
use super::new::{NewView, new_page};
use crate::extract::Form;
use crate::pages::auth::FormAdmin;
use crate::pages::components::{StateLabel, Tone};
use crate::problem::Problem;

/// The most addresses of one form.
const MAX_LINES: usize = 200;
/// How many people are invited at a time, so that the store commits them together.
const CONCURRENCY: usize = 16;

#[derive(Debug, Deserialize)]
pub struct PasteForm {
    #[serde(default)]
    addresses: String,
}

/// The pasted addresses, and what became of them.
#[derive(Default)]
pub struct Pasted {
    /// The lines that stay in the field: those that were not invited.
    pub text: String,
    /// Why nothing was done.
    pub error: Option<String>,
    pub results: Vec<LineResult>,
}

/// What became of a line.
pub struct LineResult {
    /// The line as it was typed.
    pub text: String,
    pub outcome: LineOutcome,
}

#[derive(Template)]
#[template(path = "invitations/line_outcome.html")]
pub enum LineOutcome {
    Invited(InvitationId),
    AlreadyInvited(InvitationId),
    Member {
        user: UserId,
        is_suspended: bool,
    },
    BeingRemoved,
    /// The address occurs in an earlier line.
    Repeated,
    /// Completes the sentence "The address …" or "The name …".
    Invalid(String),
    Forbidden,
    /// The database could not be reached.
    Unavailable,
}

impl HtmlSafe for LineOutcome {}

/// Handles `POST /invitations/many`.
pub async fn invite_many(
    admin: FormAdmin,
    Form(form): Form<PasteForm>,
) -> Result<Response, Problem> {
    let pasted = invite_pasted(&admin, form.addresses).await;
    admin.app.invitation_counts.invalidate().await;
    let view = NewView { pasted, ..NewView::default() };
    new_page(&admin.app, &admin.viewer, view).await
}

async fn invite_pasted(admin: &FormAdmin, text: String) -> Pasted {
    let lines = parse_lines(&text);
    let error = match lines.len() {
        0 => "Paste at least one address.".to_owned(),
        1..=MAX_LINES => {
            let invite = |line: Line| async move {
                let outcome = match line.parsed {
                    Ok((email, name)) => invite_one(admin, request(email, name)).await,
                    Err(outcome) => outcome,
                };
                LineResult { text: line.text, outcome }
            };
            let results = futures::stream::iter(lines).map(invite).buffered(CONCURRENCY);
            let results: Vec<_> = results.collect().await;
            return Pasted { text: remaining(&results), error: None, results };
        }
        count => format!("These are {count} addresses. Paste at most {MAX_LINES} at a time."),
    };
    Pasted { text, error: Some(error), results: Vec::new() }
}

fn request(email: Email, name: Option<guestlist_domain::Name>) -> NewInvitation {
    NewInvitation {
        email,
        name,
        role: Role::Member,
        manageable: ManageableRoles::All,
        metadata: Metadata::default(),
        return_to: None,
        expires_in_minutes: None,
        is_bulk: true,
    }
}

async fn invite_one(admin: &FormAdmin, request: NewInvitation) -> LineOutcome {
    match flows::invite(&admin.ctx, request, &admin.actor).await {
        Ok(invitation) => LineOutcome::Invited(invitation.id),
        Err(InviteError::AlreadyInvited(id)) => LineOutcome::AlreadyInvited(id),
        Err(InviteError::AlreadyMember { user, is_suspended }) => {
            LineOutcome::Member { user, is_suspended }
        }
        Err(InviteError::BeingRemoved) => LineOutcome::BeingRemoved,
        Err(InviteError::Forbidden) => LineOutcome::Forbidden,
        Err(InviteError::Store(error)) => {
            tracing::error!(%error, "an address of several could not be invited");
            LineOutcome::Unavailable
        }
    }
}

/// Returns the lines that were not invited.
fn remaining(results: &[LineResult]) -> String {
    let is_left = |result: &&LineResult| !matches!(result.outcome, LineOutcome::Invited(_));
    let lines: Vec<_> = results.iter().filter(is_left).map(|result| result.text.as_str()).collect();
    lines.join("\n")
}

impl Pasted {
    /// Returns the number of people who were invited.
    pub fn invited(&self) -> usize {
        let outcomes = self.results.iter().map(|result| &result.outcome);
        outcomes.filter(|outcome| matches!(outcome, LineOutcome::Invited(_))).count()
    }
}

impl LineOutcome {
    fn state(&self) -> StateLabel {
        match self {
            Self::Invited(_) => StateLabel::new(Tone::Good, "check", "Invited"),
            Self::AlreadyInvited(_) => StateLabel::new(Tone::Info, "mail", "Already invited"),
            Self::Member { is_suspended: false, .. } => {
                StateLabel::new(Tone::Off, "user", "Already a member")
            }
            Self::Member { is_suspended: true, .. } => {
                StateLabel::new(Tone::Warn, "lock", "Suspended")
            }
            Self::BeingRemoved => StateLabel::new(Tone::Warn, "trash", "Removing"),
            Self::Repeated => StateLabel::new(Tone::Off, "list", "Twice in the list"),
            Self::Invalid(_) => StateLabel::new(Tone::Bad, "x", "Invalid"),
            Self::Forbidden => StateLabel::new(Tone::Bad, "lock", "Not allowed"),
            Self::Unavailable => StateLabel::new(Tone::Bad, "warn", "Not invited"),
        }
    }
}
