//! Actions on all jobs that match: shows what will happen, then does it.

use std::time::Duration;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use guestlist_database::operations::{ErrorGroup, JobFilter, JobStatus, KindCount};
use guestlist_domain::jobs::{DeleteIdentity, SendInvitation, SendLoginLink};
use guestlist_domain::{Job, JobState, ManageableRoles};
use guestlist_stytch::refuses_address;

use super::components::counted;
use super::selection::{Selection, SelectionQuery};
use crate::extract::{Form, Query};
use crate::operations::{BulkResult, JobAction, group_thousands};
use crate::pages::auth::{FormOperator, PageOperator};
use crate::pages::components::{Icon, icon};
use crate::pages::layout::render;
use crate::pages::shell::{Section, Shell};
use crate::problem::Problem;

/// The limit of an action, shorter than the timeout of a request.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// The limit of counting jobs one by one, for viewers who may not change all of them.
const COUNT_LIMIT: Duration = Duration::from_secs(2);

#[derive(Template)]
#[template(path = "ops/confirm_jobs.html")]
struct ConfirmPage<'a> {
    shell: Shell<'a>,
    action: JobAction,
    selection: Selection,
    /// The number of jobs, as in `9 jobs`.
    jobs: String,
    is_empty: bool,
    rows: Vec<KindRow>,
    consequences: Vec<(Icon, String)>,
    list_url: String,
}

struct KindRow {
    kind: String,
    queue: String,
    jobs: String,
}

/// Handles the `GET` of an action: shows what matches and what will happen.
pub async fn confirm(
    action: JobAction,
    page: PageOperator,
    Query(query): Query<SelectionQuery>,
) -> Result<Response, Problem> {
    let selection = parse(action, query)?;
    let app = &page.app;
    let filter = selection.filter(None);
    let kinds = app.store.jobs_by_kind(&filter, app.ctx.now()).await?;
    let matched = count(action, &page, &filter, &kinds).await?;
    let all: u64 = kinds.iter().map(|kind| kind.jobs).sum();
    let count = counted(matched.matched, "job", "jobs");
    let url = selection.url(&format!("/ops/jobs/{}", action.name()));
    let refused = match action {
        JobAction::Retry if selection == Selection::of(JobStatus::In(JobState::Dead)) => {
            refused_addresses(&app.operations.errors().await?)
        }
        JobAction::Retry | JobAction::Cancel | JobAction::Dismiss => 0,
    };
    let template = ConfirmPage {
        shell: Shell::new(app, &page.caller, Some(Section::Operations), url).await?,
        jobs: if matched.has_more { format!("at least {count}") } else { count },
        is_empty: matched.matched == 0 && !matched.has_more,
        consequences: consequences(
            action,
            &kinds,
            &selection,
            refused,
            all - matched.matched.min(all),
            page.manageable_roles(),
        ),
        rows: kinds.into_iter().map(kind_row).collect(),
        list_url: selection.list_url(),
        selection,
        action,
    };
    Ok(render(&app.site, StatusCode::OK, &template))
}

/// Counts the jobs that the action will change.
async fn count(
    action: JobAction,
    page: &PageOperator,
    filter: &JobFilter,
    kinds: &[KindCount],
) -> Result<BulkResult, Problem> {
    let (app, manageable) = (&page.app, page.manageable_roles());
    if manageable != ManageableRoles::All {
        let counted =
            action.count_matching(&app.ctx, &app.store, filter, manageable, COUNT_LIMIT).await?;
        return Ok(counted);
    }
    let is_changed =
        |kind: &&KindCount| action == JobAction::Retry || kind.kind != DeleteIdentity::KIND;
    let matched = kinds.iter().filter(is_changed).map(|kind| kind.jobs).sum();
    Ok(BulkResult { matched, has_more: false })
}

/// Handles the `POST` of an action. The list then says what was done.
pub async fn apply(
    action: JobAction,
    form: FormOperator,
    Form(query): Form<SelectionQuery>,
) -> Result<Response, Problem> {
    let selection = parse(action, query)?;
    let (app, manageable) = (&form.page.app, form.page.manageable_roles());
    let filter = selection.filter(None);
    let result = action
        .apply_to_all(&form.ctx, &app.store, &filter, manageable, &form.actor(), TIME_LIMIT)
        .await?;
    app.operations.invalidate().await;
    let more = if result.has_more { "&has_more=true" } else { "" };
    let (list, did) = (selection.list_url(), action.name());
    let url = format!("{list}&did={did}&changed={}{more}", result.matched);
    Ok(Redirect::to(&url).into_response())
}

fn parse(action: JobAction, query: SelectionQuery) -> Result<Selection, Problem> {
    let has_state = query.state.as_deref().is_some_and(|state| !state.is_empty());
    let selection = query.parse()?;
    if has_state && action.applies_to(selection.status) {
        return Ok(selection);
    }
    let states = action.allowed_states_text();
    Err(Problem::field("state", format!("must be one of {states}")))
}

/// Returns the number of dead jobs whose address Stytch refused.
fn refused_addresses(groups: &[ErrorGroup]) -> u64 {
    let refused = groups.iter().filter(|group| group.code.as_deref().is_some_and(refuses_address));
    refused.map(|group| group.dead).sum()
}

fn kind_row(KindCount { kind, queue, jobs }: KindCount) -> KindRow {
    KindRow { kind, queue, jobs: group_thousands(jobs) }
}

fn consequences(
    action: JobAction,
    kinds: &[KindCount],
    selection: &Selection,
    refused: u64,
    skipped: u64,
    manageable: ManageableRoles,
) -> Vec<(Icon, String)> {
    let mut all: Vec<_> =
        kinds.iter().filter_map(|kind| consequence(action, &kind.kind, kind.jobs)).collect();
    if let (JobAction::Retry, Some(error)) = (action, &selection.error) {
        let text =
            format!("Unless the cause of {error} is gone, they will most likely fail again.");
        all.push((icon("warn"), text));
    }
    if refused > 0 {
        let fail = if refused == 1 { "it fails" } else { "they fail" };
        let jobs = counted(refused, "address", "addresses");
        let text = format!("Stytch refused {jobs} for good. Most likely, {fail} again.");
        all.push((icon("warn"), text));
    }
    if skipped > 0 && manageable != ManageableRoles::All {
        let text = "Jobs about administrators and operators are left as they are: only an \
                    administrator may change them.";
        all.push((icon("lock"), text.to_owned()));
    }
    all.push((icon("list"), "The audit log records that you did this.".to_owned()));
    all
}

/// Returns what an action means for the jobs of one kind.
fn consequence(action: JobAction, kind: &str, jobs: u64) -> Option<(Icon, String)> {
    let is_invitation = kind == SendInvitation::KIND;
    let invitations = || counted(jobs, "invitation", "invitations");
    let (is, their) = if jobs == 1 { ("is", "Its") } else { ("are", "Their") };
    let link = if jobs == 1 { "link stops" } else { "links stop" };
    let others = |verb: &str| format!("{} of {kind} {verb}", counted(jobs, "job", "jobs"));
    let (symbol, text) = match action {
        _ if jobs == 0 => return None,
        JobAction::Retry if is_invitation => {
            let each = if jobs == 1 { "with" } else { "each with" };
            let sent = format!("{} {is} sent again, {each} a new link.", invitations());
            ("sent", format!("{sent} {their} old {link} working."))
        }
        JobAction::Retry if kind == SendLoginLink::KIND => {
            let links = counted(jobs, "login link", "login links");
            ("sent", format!("{links} {is} sent, if still wanted."))
        }
        JobAction::Retry => {
            ("retry", format!("{} again now.", others(if jobs == 1 { "runs" } else { "run" })))
        }
        JobAction::Cancel | JobAction::Dismiss if kind == DeleteIdentity::KIND => {
            let text = format!(
                "{} left as {}: a removal can’t be cancelled.",
                others(is),
                if jobs == 1 { "it is" } else { "they are" }
            );
            ("lock", text)
        }
        JobAction::Cancel if is_invitation => {
            let fail = if jobs == 1 { "fails" } else { "fail" };
            let text = format!("{} {fail} with the code cancelled.", invitations());
            ("slash", format!("{text} Links that are already out are revoked."))
        }
        JobAction::Cancel => {
            let text = others(if jobs == 1 { "does not run" } else { "do not run" });
            ("slash", format!("{text}; a running one ends with its attempt."))
        }
        JobAction::Dismiss if is_invitation => {
            let stay = if jobs == 1 { "stays" } else { "stay" };
            ("slash", format!("{} {stay} failed; the list of dead jobs is shorter.", invitations()))
        }
        JobAction::Dismiss => ("slash", format!("{} dismissed from the list.", others(is))),
    };
    Some((icon(symbol), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consequences_are_worded_for_one_and_for_many() {
        let text = |action, kind, jobs| consequence(action, kind, jobs).unwrap().1;
        assert_eq!(
            text(JobAction::Retry, SendInvitation::KIND, 9),
            "9 invitations are sent again, each with a new link. Their old links stop working."
        );
        assert_eq!(
            text(JobAction::Retry, SendInvitation::KIND, 1),
            "1 invitation is sent again, with a new link. Its old link stops working."
        );
        assert_eq!(text(JobAction::Retry, "sweep", 1), "1 job of sweep runs again now.");
        assert_eq!(
            text(JobAction::Cancel, DeleteIdentity::KIND, 2),
            "2 jobs of delete-user are left as they are: a removal can’t be cancelled."
        );
        assert!(consequence(JobAction::Retry, "sweep", 0).is_none());
    }
}
