//! The page of one invitation: its progress, the next step, its story and its details.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use guestlist_database::operations::{JobAttempt, JobRecord};
use guestlist_domain::flows::VerifiedSession;
use guestlist_domain::{
    Event, HeldBy, Invitation, InvitationId, InvitationStatus, Job, User, jobs::SendInvitation,
};

use super::next_step::{NextContext, NextPanel, NextStep};
use super::opening::Opening;
use super::progress::{ProgressContext, Step, steps};
use super::story::{Entry, Sources, story_of};
use super::texts::invitee;
use crate::extract::PathParam;
use crate::pages::auth::PageAdmin;
use crate::pages::components::{Clock, Moment, StateLabel};
use crate::pages::labels::actor_name;
use crate::pages::layout::render;
use crate::pages::shell::{Section, Shell};
use crate::pages::states::{invitation_state, job_state};
use crate::problem::Problem;
use crate::state::App;

/// Longer metadata is folded away.
const MAX_OPEN_METADATA: usize = 200;

#[derive(Template)]
#[template(path = "invitations/show.html")]
struct InvitationPage<'a> {
    shell: &'a Shell<'a>,
    invitation: &'a Invitation,
    state: StateLabel,
    /// Why a form was refused.
    error: Option<&'a str>,
    steps: Vec<Step>,
    next: NextPanel<'a>,
    story: Vec<Entry>,
    /// The date of the first entry.
    day: String,
    /// The person, unless they were removed.
    user: Option<&'a User>,
    /// The job of the current delivery, unless it was deleted.
    job: Option<&'a JobRecord>,
    max_attempts: u32,
    /// Pretty-printed JSON; `None` if there is none.
    metadata: Option<String>,
}

/// What is read for the page.
struct Loaded {
    invitation: Invitation,
    events: Vec<Event>,
    user: Option<User>,
    /// The person's newest invitation, if it is another.
    newer: Option<InvitationId>,
    jobs: Vec<(JobRecord, Vec<JobAttempt>)>,
    held_by: Option<HeldBy>,
}

/// Handles `GET /invitations/{id}`.
pub async fn show(
    PageAdmin(viewer): PageAdmin,
    State(app): State<App>,
    id: PathParam<InvitationId>,
) -> Result<Response, Problem> {
    invitation_page(&app, &viewer, id.parse()?, None).await
}

pub async fn invitation_page(
    app: &App,
    viewer: &VerifiedSession,
    id: InvitationId,
    problem: Option<Problem>,
) -> Result<Response, Problem> {
    let loaded = load(app, id).await?;
    let url = format!("/invitations/{id}");
    let mut shell = Shell::new(app, viewer, Some(Section::Invitations), url).await?;
    shell.is_changing = loaded.is_changing();
    let template = page(app, &shell, &loaded, problem.as_ref());
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    Ok(render(&app.site, status, &template))
}

async fn load(app: &App, id: InvitationId) -> Result<Loaded, Problem> {
    let (store, now) = (&app.ctx.store, app.ctx.now());
    let invitation = store.invitation(id).await?;
    let invitation = invitation.ok_or_else(|| Problem::not_found("invitation"))?;
    let latest = store.latest_invitation(invitation.user_id).await?;
    let holds = app.holds.current(now, [&invitation]).await?;
    Ok(Loaded {
        events: store.timeline(id).await?,
        user: store.user(invitation.user_id).await?,
        newer: latest.map(|latest| latest.id).filter(|latest| *latest != id),
        jobs: app.store.delivery_jobs(&invitation, now).await?,
        held_by: holds.held_by(&invitation),
        invitation,
    })
}

fn page<'a>(
    app: &App,
    shell: &'a Shell<'a>,
    loaded: &'a Loaded,
    problem: Option<&'a Problem>,
) -> InvitationPage<'a> {
    let Loaded { invitation, events, user, newer, jobs, held_by } = loaded;
    let opening = Opening::of(events.iter());
    let attempts: Vec<_> = jobs.iter().flat_map(|(_, attempts)| attempts.clone()).collect();
    let step = NextStep::of(
        invitation,
        &NextContext {
            held_by: *held_by,
            opening,
            user: user.as_ref().map(|user| user.status),
            newer: *newer,
            now: shell.now,
        },
    );
    let progress = ProgressContext {
        invitation,
        events,
        opening,
        links_carry_id: app.ctx.policy.link_carries_id,
        now: shell.now,
    };
    let resend_wait = invitation.resend_wait(shell.now).map_or(0, |wait| wait.as_secs() + 1);
    let first = events.first().map_or(invitation.created_at, |event| event.at);
    InvitationPage {
        state: invitation_state(invitation, *held_by),
        error: problem.map(|problem| problem.detail.as_str()),
        steps: steps(&progress),
        next: NextPanel { shell, invitation, step, resend_wait },
        story: story_of(&Sources { invitation, events, attempts: &attempts }),
        day: first.strftime("%-d %B %Y").to_string(),
        user: user.as_ref(),
        job: jobs.last().map(|(job, _)| job),
        max_attempts: SendInvitation::RETRY.max_attempts,
        metadata: metadata(invitation),
        invitation,
        shell,
    }
}

fn metadata(invitation: &Invitation) -> Option<String> {
    let metadata = Some(&invitation.metadata).filter(|metadata| !metadata.is_empty())?;
    serde_json::to_string_pretty(metadata).ok()
}

impl Loaded {
    /// Returns whether the page is expected to change within seconds.
    fn is_changing(&self) -> bool {
        self.invitation.status == InvitationStatus::Queued
    }
}

impl InvitationPage<'_> {
    /// Returns whether revoking the invitation would change anything.
    fn can_be_revoked(&self) -> bool {
        let status = self.invitation.status;
        let is_final = matches!(status, InvitationStatus::Accepted | InvitationStatus::Revoked);
        let is_obsolete =
            matches!(self.next.step, NextStep::Removed | NextStep::Member | NextStep::Replaced(_));
        !is_final && !is_obsolete
    }

    /// Returns whether the button to resend is at the top of the page.
    fn has_resend_button(&self) -> bool {
        self.next.step.allows_resend() && !self.next.step.offers_resend()
    }

    fn is_metadata_folded(&self) -> bool {
        self.metadata.as_ref().is_some_and(|metadata| metadata.len() > MAX_OPEN_METADATA)
    }
}
