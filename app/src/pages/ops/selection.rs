//! Which jobs a page is about, as in its URL.

use guestlist_database::operations::{JobFilter, JobStatus};
use guestlist_domain::{JobState, QueueName};
use serde::{Deserialize, Serialize};

use crate::extract::FieldErrors;
use crate::problem::Problem;

/// A selection of jobs as parameters. Empty ones count as left out, since forms send them too.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelectionQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Jobs in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    pub status: JobStatus,
    pub queue: Option<QueueName>,
    pub kind: Option<String>,
    pub error: Option<String>,
}

/// Removes white space around a parameter; an empty one is `None`.
pub fn filled(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

impl SelectionQuery {
    /// Parses the parameters. Without a state, dead jobs are selected.
    pub fn parse(self) -> Result<Selection, Problem> {
        let mut errors = FieldErrors::default();
        let state = filled(self.state);
        let status = state.and_then(|state| {
            errors.check("state", JobStatus::parse(&state).ok_or("is not a job state"))
        });
        let queue = filled(self.queue).and_then(|queue| {
            errors.check("queue", QueueName::parse(&queue).ok_or("is not a queue"))
        });
        errors.finish()?;
        let status = status.unwrap_or(JobStatus::In(JobState::Dead));
        Ok(Selection { status, queue, kind: filled(self.kind), error: filled(self.error) })
    }
}

impl Selection {
    pub fn of(status: JobStatus) -> Self {
        Self { status, queue: None, kind: None, error: None }
    }

    pub fn in_queue(status: JobStatus, queue: QueueName) -> Self {
        Self { queue: Some(queue), ..Self::of(status) }
    }

    pub fn with_error(&self, error: &str) -> Self {
        Self { error: Some(error.to_owned()), ..self.clone() }
    }

    /// Returns whether all jobs in the state are selected.
    pub fn is_whole_state(&self) -> bool {
        *self == Self::of(self.status)
    }

    pub fn filter(&self, q: Option<String>) -> JobFilter {
        JobFilter {
            queue: self.queue,
            kind: self.kind.clone(),
            status: Some(self.status),
            error: self.error.clone(),
            q,
        }
    }

    pub fn query(&self) -> SelectionQuery {
        SelectionQuery {
            state: Some(self.status.as_str().to_owned()),
            queue: self.queue.map(|queue| queue.as_str().to_owned()),
            kind: self.kind.clone(),
            error: self.error.clone(),
        }
    }

    /// Returns the path with the selection as its query.
    pub fn url(&self, path: &str) -> String {
        match serde_urlencoded::to_string(self.query()) {
            Ok(query) => format!("{path}?{query}"),
            Err(_) => path.to_owned(),
        }
    }

    /// Returns the URL of the list.
    pub fn list_url(&self) -> String {
        self.url("/ops/jobs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_round_trips_through_its_url() {
        let query = SelectionQuery {
            state: Some("dead".to_owned()),
            queue: Some(" ".to_owned()),
            kind: None,
            error: Some("a&b=é".to_owned()),
        };
        let selection = query.parse().unwrap();
        assert_eq!(selection.list_url(), "/ops/jobs?state=dead&error=a%26b%3D%C3%A9");
        let again: SelectionQuery =
            serde_urlencoded::from_str(selection.list_url().split_once('?').unwrap().1).unwrap();
        assert_eq!(again.parse().unwrap(), selection);
        assert_eq!(Selection::of(JobStatus::Held).list_url(), "/ops/jobs?state=held");
    }

    #[test]
    fn unknown_states_and_queues_are_refused() {
        let of = |state: &str, queue: &str| SelectionQuery {
            state: Some(state.to_owned()),
            queue: Some(queue.to_owned()),
            ..SelectionQuery::default()
        };
        assert!(of("", "").parse().unwrap().is_whole_state());
        assert_eq!(of("lost", "mail").parse().unwrap_err().errors.len(), 2);
    }
}
