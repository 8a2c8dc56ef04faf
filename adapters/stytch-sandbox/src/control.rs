//! The control plane: what people and tests look at and turn. No fault touches it, and it needs
//! no credentials, which is why the sandbox listens on loopback unless told otherwise.

use hyper::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    address,
    answer::{self, HttpResponse, json_response, response},
    call::Call,
    clock, dashboard,
    faults::Fault,
    inbox,
    keys::Key,
    link::{Kind, Link},
    pages,
    project::Project,
    refusal::Refusal,
    routes,
    tables::Record,
    webhooks,
};

/// Async, as making a key takes too long for the thread that serves.
pub(crate) async fn handle(project: &Project, call: Call) -> HttpResponse {
    let call = &call;
    if let Err(refusal) = call.require_json() {
        return refusal.into_response();
    }
    let answer = match (call.method.as_str(), call.path.as_str()) {
        ("GET", "/") => return answer::redirect("/inbox"),
        ("GET", "/inbox") => return inbox::page(project, call),
        ("GET", "/sandbox/emails") => return emails(project, call),
        ("GET", "/sandbox/faults") => Ok(json!(project.faults().current())),
        ("PUT", "/sandbox/faults") => set_faults(project, call),
        ("GET", "/sandbox/stats") => Ok(json!(*project.stats())),
        ("GET", "/sandbox/clock") => Ok(time(project.now(), offset(project))),
        ("PUT", "/sandbox/clock") => advance(project, call),
        ("POST", "/sandbox/jwks/rotate") => rotate(project).await,
        ("GET", "/sandbox/webhooks") => webhooks::list(project, call),
        ("PUT", "/sandbox/webhooks") => webhooks::set_paused(project, call),
        (method, path) => match (method, webhook_to_resend(path)) {
            ("POST", Some(id)) => webhooks::resend(project, id),
            _ => match pages::file(path).or_else(|| dashboard::handle(project, call)) {
                Some(response) => return response,
                None => Err(unknown(path)),
            },
        },
    };
    match answer {
        Ok(value) => json_response(StatusCode::OK, &value),
        Err(refusal) => refusal.into_response(),
    }
}

/// A mail as tests see it.
#[derive(Serialize)]
struct Mail<'a> {
    id: &'a str,
    to: &'a str,
    kind: Kind,
    url: &'a str,
    token: &'a str,
    sent_at: Timestamp,
}

/// The mail of one address, or all of it, oldest first. Written at once, for there may be much.
fn emails(project: &Project, call: &Call) -> HttpResponse {
    fn json<'a>(links: impl Iterator<Item = &'a Link>) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&links.map(Mail::of).collect::<Vec<_>>())
    }
    let body = project.read(|tables, _| match recipient(call) {
        Some(to) => json(tables.links.of_address(&to)),
        None => json(tables.links.iter()),
    });
    match body {
        Ok(body) => response(StatusCode::OK, "application/json", body),
        Err(_) => Refusal::internal().into_response(),
    }
}

impl<'a> Mail<'a> {
    fn of(link: &'a Link) -> Self {
        let Link { id, to, kind, url, token, sent_at, .. } = link;
        Self { id, to, kind: *kind, url, token, sent_at: *sent_at }
    }
}

/// `?to=`; a space was a plus that someone forgot to encode.
pub(crate) fn recipient(call: &Call) -> Option<String> {
    let to = address::normalise(&call.query("to")?).replace(' ', "+");
    (!to.is_empty()).then_some(to)
}

fn set_faults(project: &Project, call: &Call) -> Result<Value, Refusal> {
    let fault: Fault = call.control_json()?;
    let mut faults = project.faults();
    faults.set(fault).map_err(Refusal::unprocessable)?;
    Ok(json!(faults.current()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: i64,
}

/// Moves the clock from where it is; a negative number moves it back.
fn advance(project: &Project, call: &Call) -> Result<Value, Refusal> {
    let Advance { advance_seconds } = call.control_json()?;
    let offset_seconds = project.change(|store, _| {
        let offset = store.tables.clock_offset_seconds.checked_add(advance_seconds);
        let farthest = clock::FARTHEST_SECONDS;
        match offset.filter(|offset| (-farthest..=farthest).contains(offset)) {
            Some(offset_seconds) => {
                store.write(Record::Clock { offset_seconds });
                Ok(offset_seconds)
            }
            None => Err(Refusal::unprocessable("advance_seconds goes too far: a century at most")),
        }
    })?;
    Ok(time(project.now(), offset_seconds))
}

fn time(now: Timestamp, offset_seconds: i64) -> Value {
    json!({"now": now, "offset_seconds": offset_seconds})
}

fn offset(project: &Project) -> i64 {
    project.read(|tables, _| tables.clock_offset_seconds)
}

async fn rotate(project: &Project) -> Result<Value, Refusal> {
    let made = tokio::task::spawn_blocking(Key::generate).await;
    let key = made.map_err(|_| Refusal::internal())?.map_err(|_| Refusal::internal())?;
    let kid = key.kid.clone();
    project.rotate_key(key)?;
    Ok(json!({"kid": kid}))
}

fn webhook_to_resend(path: &str) -> Option<&str> {
    routes::matches("/sandbox/webhooks/{id}/resend", path)
}

fn unknown(path: &str) -> Refusal {
    Refusal::not_found(
        "route_not_found",
        format!(
            "The sandbox has no {path} with this method. It has /inbox, /sandbox/emails, \
             /sandbox/faults, /sandbox/stats, /sandbox/clock, /sandbox/jwks/rotate, \
             /sandbox/users and /sandbox/webhooks."
        ),
    )
}
