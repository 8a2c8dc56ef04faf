//! Finds the most important fact about sending mail, and words it for operators.

use std::fmt;

use guestlist_database::operations::{Overview, WorkerState};
use guestlist_domain::{HeldBy, ProviderHealth, QueueName};
use guestlist_worker::remediation;
use jiff::{SignedDuration, Timestamp};

/// Seconds of waiting for Stytch's rate limit that still count as sending.
const SHORT_RATE_LIMIT: i64 = 60;

/// The most important fact about sending mail.
#[derive(Debug)]
pub struct Diagnosis {
    pub headline: Headline,
    pub sending: bool,
    /// Whether nothing is sent because an operator has paused it.
    pub is_paused: bool,
    /// Whether the summary gives the number of held jobs, not of waiting ones.
    counts_held: bool,
    pub since: Option<Timestamp>,
    /// A sentence that follows the headline and the number of jobs.
    pub note: Option<&'static str>,
    pub fix: Option<String>,
    /// The fix as sentences, with names of programs and settings in backticks. Empty if no
    /// action is needed.
    pub steps: Vec<String>,
    /// The queues whose resumption is the fix.
    pub resume: Vec<QueueName>,
}

/// For example `NOT SENDING since 02:41: Stytch refused the secret`.
#[derive(Debug, Clone)]
pub struct Headline {
    /// `SENDING`, `NOT SENDING` or `RECOVERING`.
    state: &'static str,
    /// What the state is limited to, with its leading space or comma.
    pub scope: String,
    /// When the problem began, and the same as text.
    pub since: Option<(Timestamp, String)>,
    /// The cause, with its leading punctuation.
    pub cause: String,
}

impl Headline {
    fn new(state: &'static str, scope: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { state, scope: scope.into(), since: None, cause: cause.into() }
    }

    /// Returns the state in the case of a sentence.
    pub fn state(&self) -> String {
        let lower = self.state.to_lowercase();
        let mut characters = lower.chars();
        let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
        first + characters.as_str()
    }

    /// Returns whether mail is sent and there is nothing else to say.
    pub fn is_plain(&self) -> bool {
        self.state == SENDING && self.scope.is_empty() && self.cause.is_empty()
    }
}

impl fmt::Display for Headline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, scope, since, cause } = self;
        write!(f, "{state}{scope}")?;
        if let Some((_, since)) = since {
            write!(f, " since {since}")?;
        }
        f.write_str(cause)
    }
}

const SENDING: &str = "SENDING";
const NOT_SENDING: &str = "NOT SENDING";

impl Diagnosis {
    /// Checks for problems, the most severe first.
    pub fn new(overview: &Overview, authenticate_url: &str, now: Timestamp) -> Self {
        let live = overview.live_workers().collect();
        let checks = Checks { overview, live, authenticate_url, now };
        checks
            .read_only_database()
            .or_else(|| checks.no_worker())
            .or_else(|| checks.all_workers_blocked())
            .or_else(|| checks.mail_paused())
            .or_else(|| checks.some_workers_blocked())
            .or_else(|| checks.recovering())
            .or_else(|| checks.rate_limited())
            .or_else(|| checks.other_queue_paused())
            .or_else(|| checks.lost_workers())
            .unwrap_or_else(|| Self::sending(Headline::new(SENDING, "", "")))
    }

    fn sending(headline: Headline) -> Self {
        Self {
            headline,
            sending: true,
            is_paused: false,
            counts_held: false,
            since: None,
            note: None,
            fix: None,
            steps: Vec::new(),
            resume: Vec::new(),
        }
    }

    /// Returns the diagnosis for attempts that fail and will be repeated. It precedes that of an
    /// outage, which takes several failures.
    pub fn failing() -> Self {
        let headline = Headline::new(SENDING, "", ", but the latest attempts failed");
        let note = Some("Retrying automatically; nothing is lost.");
        Self { note, ..Self::sending(headline) }
    }

    /// Returns the one-line summary.
    pub fn summary(&self, held: u64, waiting: u64, retrying: u64, dead: u64) -> String {
        let (held, waiting) = (group_thousands(held), group_thousands(waiting));
        let count = if self.counts_held {
            format!("{held} held")
        } else if retrying == 0 {
            format!("{waiting} waiting")
        } else {
            format!("{waiting} waiting, {} of them to be retried", group_thousands(retrying))
        };
        let mut parts = vec![format!("{}. {count}.", self.headline)];
        parts.extend(self.note.map(ToOwned::to_owned));
        if self.sending && dead > 0 {
            let dead = group_thousands(dead);
            parts.push(format!("{dead} dead: see guestlist jobs list --state dead."));
        }
        parts.extend(self.fix.as_ref().map(|fix| format!("Fix: {fix}")));
        parts.join(" ")
    }
}

/// The checks for problems.
struct Checks<'a> {
    overview: &'a Overview,
    live: Vec<&'a WorkerState>,
    authenticate_url: &'a str,
    now: Timestamp,
}

impl Checks<'_> {
    fn not_sending(&self, since: Timestamp, scope: &str, cause: String) -> Diagnosis {
        let headline = Headline::new(NOT_SENDING, scope, cause);
        let headline = Headline { since: Some((since, self.time(since))), ..headline };
        let diagnosis = Diagnosis::sending(headline);
        Diagnosis { sending: false, counts_held: true, since: Some(since), ..diagnosis }
    }

    /// The database refuses writes. This precedes the checks of workers, whose heartbeats are
    /// writes too.
    fn read_only_database(&self) -> Option<Diagnosis> {
        let refused = self.overview.refused_writes.as_ref()?;
        let cause = format!(": the database refuses writes ({})", refused.reason);
        let fix = "free disk space, make the server the primary again, or end the program that \
                   locks the file"
            .to_owned();
        let steps = vec![
            "Find out which it is: the disk is full, the server has become a replica, or another \
             program locks the file."
                .to_owned(),
            "Free disk space, make the server the primary again, or end that program. Sending \
             resumes by itself."
                .to_owned(),
        ];
        let diagnosis = self.not_sending(refused.since, "", cause);
        Some(Diagnosis { counts_held: false, fix: Some(fix), steps, ..diagnosis })
    }

    fn no_worker(&self) -> Option<Diagnosis> {
        if !self.live.is_empty() {
            return None;
        }
        let steps = vec![
            "Start `guestlist-worker`, or `guestlist serve --worker`, with the same settings as \
             before."
                .to_owned(),
            "If it stops at once, the last line of its log says why, and `guestlist doctor` checks \
             each setting."
                .to_owned(),
        ];
        let headline = Headline::new(NOT_SENDING, "", ": no worker is running");
        let diagnosis = Diagnosis { sending: false, steps, ..Diagnosis::sending(headline) };
        Some(Diagnosis { fix: Some("start guestlist-worker".to_owned()), ..diagnosis })
    }

    /// Stytch is down or misconfigured for every worker.
    fn all_workers_blocked(&self) -> Option<Diagnosis> {
        if self.live.iter().any(|worker| worker.report.health.held_by().is_none()) {
            return None;
        }
        let health = self.overview.provider_health();
        let issue = health.issue()?;
        let (problem, fix) = self.explain(health)?;
        let note = fix.is_none().then_some("Retrying automatically; nothing is lost.");
        let steps = fix.as_deref().map(configuration_steps).unwrap_or_default();
        let diagnosis = self.not_sending(issue.since, "", format!(": {problem}"));
        Some(Diagnosis { note, fix, steps, ..diagnosis })
    }

    /// An operator paused invitations, login links or both.
    fn mail_paused(&self) -> Option<Diagnosis> {
        let queues = [(QueueName::Login, " login links"), (QueueName::Invitation, " invitations")];
        let paused = queues.iter().filter_map(|(queue, what)| Some((self.pause(*queue)?, *what)));
        let paused: Vec<_> = paused.collect();
        let ((_, at, paused_by), what) = paused.iter().min_by_key(|((_, at, _), _)| *at)?;
        let what = if paused.len() == queues.len() { "" } else { what };
        let resume: Vec<_> = paused.iter().map(|((queue, ..), _)| *queue).collect();
        let commands = resume.iter().map(|queue| format!("guestlist queue resume {queue}"));
        let fix = Some(commands.collect::<Vec<_>>().join(" and "));
        let diagnosis = self.not_sending(*at, what, format!(": paused {paused_by}"));
        Some(Diagnosis { fix, resume, is_paused: true, ..diagnosis })
    }

    /// Stytch is down or misconfigured for some workers.
    fn some_workers_blocked(&self) -> Option<Diagnosis> {
        let blocked = self.live.iter().filter(|worker| worker.report.health.held_by().is_some());
        let (problem, fix) = self.explain(self.overview.provider_health())?;
        let scope = format!(", except {} of {} workers", blocked.count(), self.live.len());
        let headline = Headline::new(SENDING, scope, format!(": {problem}"));
        let steps = fix.as_deref().map(configuration_steps).unwrap_or_default();
        Some(Diagnosis { fix, steps, ..Diagnosis::sending(headline) })
    }

    fn recovering(&self) -> Option<Diagnosis> {
        let cause = ": Stytch responds again, and the sending rate is increasing";
        let is_recovering =
            matches!(self.overview.provider_health(), ProviderHealth::Recovering(_));
        is_recovering.then(|| Diagnosis::sending(Headline::new("RECOVERING", "", cause)))
    }

    fn rate_limited(&self) -> Option<Diagnosis> {
        let queues = &self.overview.queues;
        queues.iter().find(|queue| queue.held_by == Some(HeldBy::RateLimit))?;
        let seconds_until = |time: Timestamp| time.duration_since(self.now).as_secs() + 1;
        let held = |scope: String, cause| {
            let headline = Headline::new(SENDING, scope, cause);
            Diagnosis { counts_held: true, ..Diagnosis::sending(headline) }
        };
        let limited_until = self.overview.holds.rate_limited_until;
        if let Some(until) = limited_until.filter(|until| self.now < *until) {
            let seconds = seconds_until(until);
            let held = held(format!(" again in {seconds} s"), ": Stytch's rate limit was reached");
            return Some(Diagnosis { sending: seconds <= SHORT_RATE_LIMIT, ..held });
        }
        let bulk_until = self.live.iter().filter_map(|worker| worker.report.bulk_until).max()?;
        let seconds = seconds_until(bulk_until);
        Some(held(
            format!(" login links only, invitations again in {seconds} s"),
            ": Stytch limits invitations because too few of them lead to a login",
        ))
    }

    fn other_queue_paused(&self) -> Option<Diagnosis> {
        let (queue, at, paused_by) = QueueName::ALL.iter().find_map(|queue| self.pause(*queue))?;
        let scope = format!(", but the {queue} queue has been paused");
        let headline = Headline::new(SENDING, scope, format!(" {paused_by}"));
        let headline = Headline { since: Some((at, self.time(at))), ..headline };
        let fix = Some(format!("guestlist queue resume {queue}"));
        let diagnosis = Diagnosis::sending(headline);
        Some(Diagnosis { fix, resume: vec![queue], since: Some(at), ..diagnosis })
    }

    /// Some workers stopped without shutting down, and others run.
    fn lost_workers(&self) -> Option<Diagnosis> {
        let lost: Vec<_> = self.overview.lost_workers(self.now).collect();
        let latest = lost.iter().min_by_key(|worker| worker.report_age)?;
        let at = self.now - latest.report_age;
        let verb = if lost.len() == 1 { "has" } else { "have" };
        let total = lost.len() + self.live.len();
        let scope = format!(", but {} of {total} workers {verb} not responded", lost.len());
        let headline = Headline::new(SENDING, scope, "");
        let headline = Headline { since: Some((at, self.time(at))), ..headline };
        let host = &latest.host;
        let steps = vec![
            format!("See why the process {} on `{host}` has ended or hangs.", latest.pid),
            "Start `guestlist-worker` there again. Other workers run its jobs until then."
                .to_owned(),
        ];
        let fix = Some(format!("start guestlist-worker on {host} again"));
        Some(Diagnosis { fix, steps, since: Some(at), ..Diagnosis::sending(headline) })
    }

    /// Returns a queue's pause: its time, by whom, and why, in words.
    fn pause(&self, queue: QueueName) -> Option<(QueueName, Timestamp, String)> {
        let state = self.overview.queues.iter().find(|state| state.queue == queue)?;
        let pause = state.pause.as_ref()?;
        let by = pause.by.as_deref().unwrap_or("an unknown operator");
        let one_line = |reason: &str| reason.split_whitespace().collect::<Vec<_>>().join(" ");
        let reason = pause.reason.as_deref().map(one_line);
        let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
        Some((queue, pause.at, format!("by {by}{reason}")))
    }

    /// Returns why a worker does not send, and the fix.
    fn explain(&self, health: &ProviderHealth) -> Option<(String, Option<String>)> {
        match health {
            ProviderHealth::Ok | ProviderHealth::Recovering(_) => None,
            ProviderHealth::Down(issue) => Some((outage(&issue.code), None)),
            ProviderHealth::Misconfigured(issue) => {
                let remedy = remediation(issue, self.authenticate_url);
                Some((remedy.problem, Some(remedy.fix)))
            }
        }
    }

    /// Formats a time of day in UTC, with the date unless it is recent.
    fn time(&self, at: Timestamp) -> String {
        let is_recent = self.now.duration_since(at) < SignedDuration::from_hours(20);
        at.strftime(if is_recent { "%H:%M" } else { "%Y-%m-%d %H:%M" }).to_string()
    }
}

/// Returns the steps that fix a configuration.
fn configuration_steps(fix: &str) -> Vec<String> {
    let is_setting =
        |word: &str| word.contains('_') && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let mark = |word: &str| {
        let name = word.trim_end_matches(',');
        let rest = &word[name.len()..];
        if is_setting(name) { format!("`{name}`{rest}") } else { word.to_owned() }
    };
    let marked = fix.split(' ').map(mark).collect::<Vec<_>>().join(" ");
    let mut first = marked.chars();
    let start: String = first.next().into_iter().flat_map(char::to_uppercase).collect();
    let mut steps = vec![format!("{start}{}.", first.as_str())];
    if marked.contains('`') {
        steps.push("Restart the workers and `guestlist serve`, so that they read it.".to_owned());
    }
    steps.push("Run `guestlist doctor` to check it.".to_owned());
    steps
}

fn outage(code: &str) -> String {
    match code {
        "timeout" | "connect" | "reset" => format!("Stytch does not respond ({code})"),
        code => format!("Stytch fails ({code})"),
    }
}

/// Formats a number with its thousands separated: `1,234,567`.
pub fn group_thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{configuration_steps, group_thousands};

    #[test]
    fn steps_name_settings_as_code() {
        let steps = configuration_steps("set STYTCH_PROJECT_ID, or remove STYTCH_BASE_URL");
        assert_eq!(steps.len(), 3);
        assert_eq!(steps[0], "Set `STYTCH_PROJECT_ID`, or remove `STYTCH_BASE_URL`.");
        let steps = configuration_steps("see Stytch's dashboard");
        assert_eq!((steps[0].as_str(), steps.len()), ("See Stytch's dashboard.", 2));
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let grouped = [0, 999, 1000, 1_234_567].map(group_thousands);
        assert_eq!(grouped, ["0", "999", "1,000", "1,234,567"]);
    }
}
