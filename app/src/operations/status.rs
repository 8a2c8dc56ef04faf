//! Whether mail goes out, why not, and what to do about it: in one line that is true.

use guestlist_database::board::{Overview, QueueState, WorkerState};
use guestlist_domain::{HeldBy, Queue, Standing, Trouble};
use guestlist_worker::advice;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use crate::openapi::schemas::{self, Time};

/// How it stands, for the one who was woken up.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = schemas::all_required)]
pub struct Status {
    /// One line: whether mail goes out, since when not and why, how much waits, what to do.
    pub summary: String,
    /// Whether invitations and login links go out.
    pub sending: bool,
    /// `ok`, `down`, `recovering` or `misconfigured`.
    pub provider: &'static str,
    /// Since when mail does not go out, or something is wrong.
    pub since: Option<Time>,
    /// What Stytch said last.
    pub error: Option<LastError>,
    /// What to do, where anything helps.
    pub fix: Option<String>,
    /// Jobs that wait in queues where nothing goes on.
    pub held: u64,
    /// Jobs for Stytch that have not begun.
    pub waiting: u64,
    /// Jobs that workers have.
    pub running: u64,
    /// Jobs that failed for good and that nobody has looked after yet.
    pub dead: u64,
    /// For how long the first of the due jobs has waited.
    pub oldest_ready_age_seconds: Option<u64>,
    /// The queues that operators paused.
    #[schemars(with = "Vec<schemas::Queue>")]
    pub paused: Vec<&'static str>,
    /// How many workers are there.
    pub workers: usize,
}

/// What Stytch said.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ProviderAnswer", transform = schemas::all_required)]
pub struct LastError {
    /// Stable.
    pub code: String,
    /// For people.
    pub message: String,
}

/// A wait for Stytch's rate limit that nobody need be woken up for, in seconds.
const SHORT_WAIT: i64 = 60;

/// What is most worth saying.
struct Finding {
    /// e.g. `NOT SENDING since 02:41: Stytch refused the secret`.
    headline: String,
    sending: bool,
    /// What the number of jobs is called.
    counted: Counted,
    since: Option<Timestamp>,
    rest: Option<&'static str>,
    fix: Option<String>,
}

enum Counted {
    Held,
    Waiting,
}

/// How everything stands, being looked at.
struct Look<'a> {
    overview: &'a Overview,
    live: Vec<&'a WorkerState>,
    authenticate_url: &'a str,
    now: Timestamp,
}

impl Status {
    /// Judges how everything stands; `authenticate_url` is where links lead.
    pub fn of(overview: &Overview, authenticate_url: &str, now: Timestamp) -> Self {
        let look = Look { overview, live: overview.live().collect(), authenticate_url, now };
        let found = look.find();
        let queues = || overview.queues.iter();
        let held = queues().filter(|queue| queue.held_by.is_some()).map(QueueState::waiting).sum();
        let for_stytch = queues().filter(|queue| queue.queue.calls_provider());
        let waiting = for_stytch.map(QueueState::waiting).sum();
        let retrying = queues().map(|queue| queue.retrying).sum();
        let dead = queues().map(|queue| queue.dead).sum();
        let standing = overview.standing();
        Self {
            summary: found.summary(held, waiting, retrying, dead),
            sending: found.sending,
            provider: standing.as_str(),
            since: found.since.or(standing.trouble().map(|trouble| trouble.since)).map(Time),
            error: standing.trouble().map(LastError::of),
            fix: found.fix,
            held,
            waiting,
            running: queues().map(|queue| queue.running).sum(),
            dead,
            oldest_ready_age_seconds: queues()
                .filter_map(|queue| queue.oldest_ready)
                .max()
                .map(|age| age.as_secs()),
            paused: overview.holds.paused.iter().map(|queue| queue.as_str()).collect(),
            workers: look.live.len(),
        }
    }
}

impl LastError {
    fn of(trouble: &Trouble) -> Self {
        Self { code: trouble.code.clone(), message: trouble.message.clone() }
    }
}

impl Finding {
    fn sending(headline: impl Into<String>) -> Self {
        Self {
            headline: headline.into(),
            sending: true,
            counted: Counted::Waiting,
            since: None,
            rest: None,
            fix: None,
        }
    }

    fn not_sending(since: Timestamp, headline: String) -> Self {
        let since = Some(since);
        Self { sending: false, counted: Counted::Held, since, ..Self::sending(headline) }
    }

    fn summary(&self, held: u64, waiting: u64, retrying: u64, dead: u64) -> String {
        let count = match self.counted {
            Counted::Held => format!("{} held.", exactly(held)),
            Counted::Waiting if retrying > 0 => {
                let (waiting, retrying) = (exactly(waiting), exactly(retrying));
                format!("{waiting} waiting, of which {retrying} failed and are tried again.")
            }
            Counted::Waiting => format!("{} waiting.", exactly(waiting)),
        };
        let mut line = format!("{}. {count}", self.headline);
        if let Some(rest) = self.rest {
            line = format!("{line} {rest}");
        }
        if self.sending && dead > 0 {
            line = format!("{line} {} dead: see guestlist jobs list --state dead.", exactly(dead));
        }
        if let Some(fix) = &self.fix {
            line = format!("{line} Fix: {fix}");
        }
        line
    }
}

impl Look<'_> {
    /// The worst first.
    fn find(&self) -> Finding {
        self.no_writes()
            .or_else(|| self.no_worker())
            .or_else(|| self.no_provider())
            .or_else(|| self.mail_paused())
            .or_else(|| self.some_troubled())
            .or_else(|| self.recovering())
            .or_else(|| self.rate_limited())
            .or_else(|| self.others_paused())
            .unwrap_or_else(|| Finding::sending("SENDING"))
    }

    /// Nothing can be written, not even that workers are alive.
    fn no_writes(&self) -> Option<Finding> {
        let refused = self.overview.refused_writes.as_ref()?;
        let since = self.time(refused.since);
        let headline =
            format!("NOT SENDING since {since}: the database refuses writes ({})", refused.reason);
        let fix = "free space on its disk, or make the server a primary again".to_owned();
        let found = Finding::not_sending(refused.since, headline);
        Some(Finding { counted: Counted::Waiting, fix: Some(fix), ..found })
    }

    fn no_worker(&self) -> Option<Finding> {
        let found = Finding {
            sending: false,
            fix: Some("start guestlist-worker".to_owned()),
            ..Finding::sending("NOT SENDING: no worker is running")
        };
        self.live.is_empty().then_some(found)
    }

    /// No worker sends.
    fn no_provider(&self) -> Option<Finding> {
        if self.live.iter().any(|worker| worker.report.standing.held_by().is_none()) {
            return None;
        }
        let standing = self.overview.standing();
        let trouble = standing.trouble()?;
        let (problem, fix) = self.explain(standing)?;
        let headline = format!("NOT SENDING since {}: {problem}", self.time(trouble.since));
        let is_down = fix.is_none();
        let rest = is_down.then_some("It is tried again by itself; nothing is lost.");
        Some(Finding { rest, fix, ..Finding::not_sending(trouble.since, headline) })
    }

    /// Invitations or login links are kept back by an operator.
    fn mail_paused(&self) -> Option<Finding> {
        let mails = [(Queue::Login, " login links"), (Queue::Invitation, " invitations")];
        let paused = mails.iter().filter_map(|(queue, what)| Some((self.pause(*queue)?, *what)));
        let paused: Vec<_> = paused.collect();
        let ((_, at, who), what) = paused.iter().min_by_key(|((_, at, _), _)| *at)?;
        let what = if paused.len() == mails.len() { "" } else { what };
        let headline = format!("NOT SENDING{what} since {}: paused {who}", self.time(*at));
        let resume = |queue: &Queue| format!("guestlist queue resume {queue}");
        let resume = paused.iter().map(|((queue, ..), _)| resume(queue));
        let fix = Some(resume.collect::<Vec<_>>().join(" and "));
        Some(Finding { fix, ..Finding::not_sending(*at, headline) })
    }

    fn recovering(&self) -> Option<Finding> {
        let back = "RECOVERING: Stytch answers again, and sending grows back to its full rate";
        let is_back = matches!(self.overview.standing(), Standing::Recovering(_));
        is_back.then(|| Finding::sending(back))
    }

    /// Some workers send, others don't.
    fn some_troubled(&self) -> Option<Finding> {
        let troubled = self.live.iter().filter(|worker| worker.report.standing.held_by().is_some());
        let (problem, fix) = self.explain(self.overview.standing())?;
        let headline = format!(
            "SENDING, but not by {} of {} workers: {problem}",
            troubled.count(),
            self.live.len()
        );
        Some(Finding { fix, ..Finding::sending(headline) })
    }

    fn rate_limited(&self) -> Option<Finding> {
        let queues = &self.overview.queues;
        queues.iter().find(|queue| queue.held_by == Some(HeldBy::RateLimit))?;
        let left = |until: Timestamp| until.duration_since(self.now).as_secs() + 1;
        let held = |headline| Finding { counted: Counted::Held, ..Finding::sending(headline) };
        if let Some(until) = self.overview.holds.rate_limited_until.filter(|u| self.now < *u) {
            let until = left(until);
            let headline = format!("SENDING again in {until} s: Stytch's rate limit was reached");
            return Some(Finding { sending: until <= SHORT_WAIT, ..held(headline) });
        }
        let bulk = self.live.iter().filter_map(|worker| worker.report.bulk_until).max()?;
        let headline = format!(
            "SENDING login links only, invitations again in {} s: Stytch finds that too few of our \
             mails lead to a login",
            left(bulk)
        );
        Some(held(headline))
    }

    fn others_paused(&self) -> Option<Finding> {
        let paused = Queue::ALL.iter().find_map(|queue| self.pause(*queue));
        let (queue, at, who) = paused?;
        let since = self.time(at);
        let headline = format!("SENDING, but the queue {queue} is paused since {since} {who}");
        let fix = Some(format!("guestlist queue resume {queue}"));
        Some(Finding { fix, since: Some(at), ..Finding::sending(headline) })
    }

    /// A queue's pause: since when, and by whom and why in words.
    fn pause(&self, queue: Queue) -> Option<(Queue, Timestamp, String)> {
        let state = self.overview.queues.iter().find(|state| state.queue == queue)?;
        let pause = state.pause.as_ref()?;
        let by = pause.by.as_deref().unwrap_or("somebody");
        let words = |reason: &str| reason.split_whitespace().collect::<Vec<_>>().join(" ");
        let why = pause.reason.as_deref().map(words);
        let why = why.map_or(String::new(), |why| format!(" ({why})"));
        Some((queue, pause.at, format!("by {by}{why}")))
    }

    /// Why a worker sends nothing, and what helps.
    fn explain(&self, standing: &Standing) -> Option<(String, Option<String>)> {
        match standing {
            Standing::Ok | Standing::Recovering(_) => None,
            Standing::Down(trouble) => Some((away(&trouble.code), None)),
            Standing::Misconfigured(trouble) => {
                let told = advice(trouble, self.authenticate_url);
                Some((told.problem, Some(told.fix)))
            }
        }
    }

    /// The time of day, UTC, and the day if it was another.
    fn time(&self, at: Timestamp) -> String {
        let is_today = self.now.duration_since(at) < SignedDuration::from_hours(20);
        at.strftime(if is_today { "%H:%M" } else { "%Y-%m-%d %H:%M" }).to_string()
    }
}

fn away(code: &str) -> String {
    match code {
        "timeout" | "connect" | "reset" => format!("Stytch does not answer ({code})"),
        code => format!("Stytch fails ({code})"),
    }
}

/// A number as people read it: 2,000.
pub fn exactly(number: u64) -> String {
    let digits = number.to_string();
    let mut parts: Vec<&str> = Vec::new();
    let mut rest = digits.as_str();
    while rest.len() > 3 {
        let (left, right) = rest.split_at(rest.len() - 3);
        parts.push(right);
        rest = left;
    }
    parts.push(rest);
    parts.reverse();
    parts.join(",")
}

#[cfg(test)]
mod tests;
