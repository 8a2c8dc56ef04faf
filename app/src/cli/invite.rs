//! `guestlist invite`: invites people by the same flow as the HTTP API.

mod csv_file;
mod record;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use guestlist_domain::flows::{self, InviteError};
use guestlist_domain::{Actor, Ctx, Invitation, InvitationId, InvitationStatus};
use guestlist_worker::setup::bootstrap;
use indicatif::ProgressBar;
use serde_json::json;

use self::record::{Row, RowError, reject_duplicates};
use super::output::{one_line, or_dash, print};
use crate::config::Config;

/// How often `--wait` checks an invitation.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub struct InviteArgs {
    /// Email addresses
    #[arg(required_unless_present = "csv")]
    emails: Vec<String>,
    /// Comma-separated file with the header email,name,role (name and role are optional)
    #[arg(long, conflicts_with = "emails")]
    csv: Option<PathBuf>,
    /// Only print what would happen
    #[arg(long)]
    dry_run: bool,
    /// Wait until the worker has sent the invitations or given up
    #[arg(long)]
    wait: bool,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

/// The result for one address.
struct RowResult {
    /// Number of the row, from 1.
    row: usize,
    /// Line in the file, from 1.
    line: Option<u64>,
    /// The address as given; empty if it is missing or the row is malformed.
    email: String,
    /// The invitation's id; `None` in a dry run.
    outcome: Result<Option<InvitationId>, RowError>,
}

/// Runs the command. The exit code is 1 if an address could not be invited or, with `--wait`, an
/// invitation could not be sent.
pub async fn run(config: &Config, args: &InviteArgs) -> anyhow::Result<ExitCode> {
    let mut rows = match &args.csv {
        Some(path) => csv_file::read(path)?,
        None => args.emails.iter().map(|email| Row::argument(email)).collect(),
    };
    reject_duplicates(&mut rows);
    let (ctx, _) = bootstrap::connect_without_provider(&config.common).await?;
    let total = rows.len();
    let progress_bar = progress_bar(total);
    let (mut invited, mut failed) = (Vec::new(), 0);
    for (index, row) in rows.into_iter().enumerate() {
        let stopped = |invited: usize, rows: usize| {
            format!("Stopped after {rows} of {total} rows; {invited} invited")
        };
        let result = invite(&ctx, index + 1, row, total > 1, args.dry_run).await;
        let result = result.with_context(|| stopped(invited.len(), index))?;
        failed += usize::from(result.outcome.is_err());
        invited.extend(result.outcome.as_ref().ok().copied().flatten());
        let text = if args.json { result.json() } else { result.text() };
        let printed = progress_bar.suspend(|| print(text));
        printed.map_err(|error| error.after(stopped(invited.len(), index + 1)))?;
        progress_bar.inc(1);
    }
    progress_bar.finish_and_clear();
    if args.wait {
        failed += wait(&ctx, &invited).await?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn invite(
    ctx: &Ctx,
    number: usize,
    row: Row,
    is_bulk: bool,
    dry_run: bool,
) -> anyhow::Result<RowResult> {
    let outcome = match row.to_invitation(is_bulk) {
        Err(error) => Err(error),
        Ok(request) => {
            let invited = if dry_run {
                flows::check_invite(ctx, &request, &Actor::Cli).await.map(|()| None)
            } else {
                flows::invite(ctx, request, &Actor::Cli).await.map(|invited| Some(invited.id))
            };
            match invited {
                Ok(id) => Ok(id),
                Err(error) => Err(row_error(error)?),
            }
        }
    };
    Ok(RowResult { row: number, line: row.line, email: row.record.email, outcome })
}

fn row_error(error: InviteError) -> anyhow::Result<RowError> {
    let code = match &error {
        InviteError::AlreadyInvited(_) => "already_invited",
        InviteError::AlreadyMember { .. } => "already_member",
        InviteError::BeingRemoved => "user_deleting",
        InviteError::Forbidden => "role_not_grantable",
        InviteError::Store(_) => return Err(error.into()),
    };
    Ok(RowError::new(code, error.to_string()))
}

impl RowResult {
    fn json(&self) -> String {
        let Self { row, line, email, outcome } = self;
        let mut value = match outcome {
            Ok(id) => json!({ "row": row, "email": email, "invitation_id": id }),
            Err(RowError { code, detail }) => {
                json!({ "row": row, "email": email, "code": code, "detail": detail })
            }
        };
        if let Some(line) = line {
            value["line"] = json!(line);
        }
        value.to_string()
    }

    fn text(&self) -> String {
        let email = one_line(&self.email);
        match &self.outcome {
            Ok(Some(id)) => format!("{email}: invited ({id})"),
            Ok(None) => format!("{email}: would be invited"),
            Err(RowError { code, detail }) => {
                let detail = one_line(detail);
                let address = if email.is_empty() { email } else { format!("{email}: ") };
                match self.line {
                    Some(line) => format!("line {line}: {address}{code}: {detail}"),
                    None => format!("{address}{code}: {detail} (row {})", self.row),
                }
            }
        }
    }
}

/// Waits until no invitation is queued any more. Returns how many were not sent.
async fn wait(ctx: &Ctx, invited: &[InvitationId]) -> anyhow::Result<usize> {
    let progress_bar = progress_bar(invited.len());
    let mut failed = 0;
    for id in invited {
        let invitation = loop {
            match ctx.store.invitation(*id).await? {
                Some(invitation) if invitation.status == InvitationStatus::Queued => {
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
                invitation => break invitation,
            }
        };
        let is_sent = |invitation: &Invitation| {
            matches!(invitation.status, InvitationStatus::Sent | InvitationStatus::Accepted)
        };
        if !invitation.as_ref().is_some_and(is_sent) {
            failed += 1;
        }
        if let Some(invitation) = invitation.filter(|invitation| !is_sent(invitation)) {
            let code = or_dash(invitation.last_error.map(|error| error.code));
            let printed =
                progress_bar.suspend(|| print(format!("{id}: {} ({code})", invitation.status)));
            let done = format!("{} invited; not all of them are sent yet", invited.len());
            printed.map_err(|error| error.after(done))?;
        }
        progress_bar.inc(1);
    }
    progress_bar.finish_and_clear();
    Ok(failed)
}

fn progress_bar(length: usize) -> ProgressBar {
    if std::io::stderr().is_terminal() && length > 1 {
        ProgressBar::new(length as u64)
    } else {
        ProgressBar::hidden()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_failed_row_names_its_address_if_there_is_one() {
        let text = |line, email: &str| {
            let outcome = Err(RowError::new("malformed_row", "not UTF-8"));
            RowResult { row: 4, line, email: email.to_owned(), outcome }.text()
        };
        assert_eq!(text(Some(5), "a@b.cd"), "line 5: a@b.cd: malformed_row: not UTF-8");
        assert_eq!(text(Some(5), ""), "line 5: malformed_row: not UTF-8");
        assert_eq!(text(None, ""), "malformed_row: not UTF-8 (row 4)");
    }

    #[test]
    fn a_duplicate_keeps_its_address() {
        let mut rows = ["a@b.cd", "A@b.cd"].map(Row::argument);
        reject_duplicates(&mut rows);
        assert!(rows[0].error.is_none() && rows[1].error.is_some());
        assert_eq!(rows[1].record.email, "A@b.cd");
    }
}
