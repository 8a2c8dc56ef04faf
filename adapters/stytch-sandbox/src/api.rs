//! A call under `/v1`: its fate, its credentials, its work, its place in the statistics.

use std::time::{Duration, Instant};

use crate::{
    answer::HttpResponse,
    auth,
    call::Call,
    faults::Turn,
    project::Project,
    refusal::Refusal,
    routes::{self, Route},
};

/// What the caller gets: after the delay, an answer or a dropped connection.
pub(crate) struct Outcome {
    pub(crate) delay: Duration,
    pub(crate) response: Option<HttpResponse>,
}

/// Not async, so that once a call is read it is done, whatever becomes of the caller.
pub(crate) fn handle(project: &Project, mut call: Call) -> Outcome {
    project.stats().arrived(Instant::now());
    let fate = project.faults().next(&call.path, rand::random());
    let (route, outcome) = match routes::find(call.method.as_str(), &call.path) {
        Ok((route, id)) => {
            call.id = id;
            (Some(route), serve(project, &call, route, fate.turn))
        }
        Err(refusal) => (None, turn(fate.turn, || refusal.into_response())),
    };
    let outcome = match fate.body {
        Some(spoiling) => outcome.map(|response| spoiling.spoil(response)),
        None => outcome,
    };
    record(project, &call, route, outcome.as_ref());
    Outcome { delay: fate.delay, response: outcome }
}

fn serve(project: &Project, call: &Call, route: &Route, fate: Turn) -> Option<HttpResponse> {
    turn(fate, || {
        let answer = authorize(project, call, route)
            .and_then(|()| call.require_json())
            .and_then(|()| route.handle(project, call));
        match answer {
            Ok(answer) => answer.into_response(),
            Err(refusal) => refusal.into_response(),
        }
    })
}

fn authorize(project: &Project, call: &Call, route: &Route) -> Result<(), Refusal> {
    if route.open { Ok(()) } else { auth::check(call.authorization(), &project.credentials) }
}

fn turn(fate: Turn, work: impl FnOnce() -> HttpResponse) -> Option<HttpResponse> {
    match fate {
        Turn::Served => Some(work()),
        Turn::Refused(refusal) => Some(refusal.into_response()),
        Turn::Dropped => None,
        Turn::AnswerLost => {
            work();
            None
        }
    }
}

fn record(project: &Project, call: &Call, route: Option<&Route>, response: Option<&HttpResponse>) {
    let template = route.map_or("/v1/(unknown)", |route| route.template);
    let route = format!("{} {template}", call.method);
    let outcome = match response {
        Some(response) => response.status().as_u16().to_string(),
        None => "dropped".to_owned(),
    };
    tracing::debug!(%route, %outcome, "call");
    project.stats().answered(route, outcome);
}
