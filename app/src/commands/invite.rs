//! `guestlist invite`: the same flow as over HTTP, from a shell.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use guestlist_domain::flows::{self, InviteError, NewInvitation};
use guestlist_domain::{
    Actor, Ctx, Email, InvitationId, InvitationStatus, Metadata, Name, ManageableRoles, Role,
};
use guestlist_worker::build;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::invite_csv::{self, Read};
use super::output::print;
use super::table::one_line;
use crate::config::Config;

/// Whom to invite.
#[derive(Debug, Args)]
pub struct InviteArgs {
    /// Addresses
    #[arg(required_unless_present = "csv")]
    emails: Vec<String>,
    /// A file separated by commas with the header email,name,role (the last two may be left out)
    #[arg(long, conflicts_with = "emails")]
    csv: Option<PathBuf>,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    /// Wait until the worker has sent them, or given up
    #[arg(long)]
    wait: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// An address to invite, as it was given.
#[derive(Debug, Default)]
pub struct Record {
    pub email: String,
    pub name: Option<String>,
    pub role: Option<String>,
    /// One of many.
    is_bulk: bool,
}

/// What became of one address.
struct Outcome {
    row: usize,
    /// Of the file, where there is one.
    line: Option<u64>,
    email: String,
    verdict: Result<Option<InvitationId>, (&'static str, String)>,
}

/// Runs the command; it fails if any address could not be invited or sent to.
pub async fn run(config: &Config, args: InviteArgs) -> anyhow::Result<ExitCode> {
    let mut records: Vec<(Option<u64>, Read)> = match &args.csv {
        Some(path) => {
            let rows = invite_csv::read(path)?;
            rows.into_iter().map(|(line, row)| (Some(line), row)).collect()
        }
        None => args.emails.iter().map(|email| (None, Ok(Record::of(email)))).collect(),
    };
    invite_csv::refuse_repeated(&mut records);
    let is_bulk = records.len() > 1;
    let read = records.iter_mut().filter_map(|(_, record)| record.as_mut().ok());
    read.for_each(|record| record.is_bulk = is_bulk);
    let (ctx, _) = build::connect_without_stytch(&config.common).await?;
    let bar = progress(records.len());
    let (rows, mut invited, mut failed) = (records.len(), Vec::new(), 0);
    for (index, (line, record)) in records.into_iter().enumerate() {
        let so_far = |invited: usize, rows_done: usize| {
            format!("Stopped after {rows_done} of {rows} rows; {invited} invited")
        };
        let outcome = one(&ctx, index + 1, record, args.dry_run).await;
        let outcome = outcome.with_context(|| so_far(invited.len(), index))?;
        let outcome = Outcome { line, ..outcome };
        failed += usize::from(outcome.verdict.is_err());
        invited.extend(outcome.verdict.as_ref().ok().copied().flatten());
        let printed = bar.suspend(|| print(outcome.text(args.json)));
        printed.map_err(|error| error.after(so_far(invited.len(), index + 1)))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    if args.wait {
        failed += wait(&ctx, &invited).await?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Record {
    fn of(email: &str) -> Self {
        Self { email: email.to_owned(), ..Self::default() }
    }

    /// What is asked for, or a code and a sentence that say why it can't be.
    pub fn read(&self) -> Result<NewInvitation, (&'static str, String)> {
        let email = Email::parse(&self.email)
            .map_err(|error| ("invalid_email", format!("the address {error}")))?;
        let name = self.name.as_deref().map(Name::parse).transpose();
        let name = name.map_err(|error| ("invalid_name", format!("the name {error}")))?;
        let said = self.role.as_deref().map(str::trim).filter(|role| !role.is_empty());
        let role = said.map(|role| Role::parse(role).ok_or("invalid_role")).transpose();
        let role = role
            .map_err(|code| (code, "the role is not one of admin, operator, member".to_owned()))?;
        Ok(NewInvitation {
            email,
            name: name.flatten(),
            role: role.unwrap_or_default(),
            manageable: ManageableRoles::All,
            metadata: Metadata::default(),
            return_to: None,
            expires_in_minutes: None,
            is_bulk: self.is_bulk,
        })
    }
}

async fn one(ctx: &Ctx, row: usize, record: Read, dry_run: bool) -> anyhow::Result<Outcome> {
    let (email, request) = match record {
        Ok(record) => (record.email.clone(), record.read()),
        Err(error) => (String::new(), Err(error)),
    };
    let verdict = match request {
        Err(error) => Err(error),
        Ok(request) if dry_run => rehearse(ctx, &request).await?,
        Ok(request) => match flows::invite(ctx, request, &Actor::Cli).await {
            Ok(invitation) => Ok(Some(invitation.id)),
            Err(error) => Err(refused(error)?),
        },
    };
    Ok(Outcome { row, line: None, email, verdict })
}

async fn rehearse(
    ctx: &Ctx,
    request: &NewInvitation,
) -> anyhow::Result<Result<Option<InvitationId>, (&'static str, String)>> {
    match flows::check_invite(ctx, request, &Actor::Cli).await {
        Ok(()) => Ok(Ok(None)),
        Err(error) => Ok(Err(refused(error)?)),
    }
}

fn refused(error: InviteError) -> anyhow::Result<(&'static str, String)> {
    let code = match &error {
        InviteError::AlreadyInvited(_) => "already_invited",
        InviteError::AlreadyMember { .. } => "already_member",
        InviteError::BeingRemoved => "user_deleting",
        InviteError::Forbidden => "role_not_grantable",
        InviteError::Store(_) => return Err(error.into()),
    };
    Ok((code, error.to_string()))
}

impl Outcome {
    fn text(&self, as_json: bool) -> String {
        let Self { row, line, email, verdict } = self;
        if as_json {
            let mut value = match verdict {
                Ok(id) => json!({ "row": row, "email": email, "invitation_id": id }),
                Err((code, detail)) => {
                    json!({ "row": row, "email": email, "code": code, "detail": detail })
                }
            };
            if let Some(line) = line {
                value["line"] = json!(line);
            }
            return value.to_string();
        }
        let email = one_line(email);
        match verdict {
            Ok(Some(id)) => format!("{email}: invited ({id})"),
            Ok(None) => format!("{email}: would be invited"),
            Err((code, detail)) => {
                let detail = one_line(detail);
                match line {
                    Some(line) => format!("line {line}: {email}: {code}: {detail}"),
                    None => format!("{email}: {code}: {detail} (row {row})"),
                }
            }
        }
    }
}

/// Follows invitations until each is sent or has ended; answers how many were not sent.
async fn wait(ctx: &Ctx, invited: &[InvitationId]) -> anyhow::Result<usize> {
    let bar = progress(invited.len());
    let mut failed = 0;
    for id in invited {
        let status = loop {
            let invitation = ctx.store.invitation(*id).await?;
            match invitation.map(|invitation| (invitation.status, invitation.last_error)) {
                Some((InvitationStatus::Queued, _)) => {}
                other => break other,
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        match status {
            Some((InvitationStatus::Sent | InvitationStatus::Accepted, _)) => {}
            Some((status, error)) => {
                failed += 1;
                let why = error.map_or(Value::Null, |error| json!(error.code));
                let printed = bar.suspend(|| print(format!("{id}: {status} {why}")));
                let all = format!("{} invited; not waited for all of them", invited.len());
                printed.map_err(|error| error.after(all))?;
            }
            None => failed += 1,
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(failed)
}

fn progress(length: usize) -> ProgressBar {
    if std::io::stderr().is_terminal() && length > 1 {
        ProgressBar::new(length as u64)
    } else {
        ProgressBar::hidden()
    }
}
