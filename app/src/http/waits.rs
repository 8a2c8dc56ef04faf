//! What keeps queued invitations waiting: of those put off, what is on record; of those that are
//! due, whatever holds their queue now.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use guestlist_domain::{HeldBy, Invitation, InvitationStatus, QueueName};
use jiff::Timestamp;

use super::problem::Problem;
use super::state::App;

/// What keeps invitations waiting, as they are being shown.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    due: Option<HeldBy>,
    now: Timestamp,
}

/// How long what was found holds for those who just ask to be invited: there may be thousands of
/// them a second.
const LATELY: Duration = Duration::from_millis(250);

/// What was found last.
#[derive(Debug, Default)]
pub struct LastLook(Mutex<Option<(Instant, Waits)>>);

impl LastLook {
    fn get(&self) -> Option<Waits> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(at, _)| at.elapsed() < LATELY).map(|(_, waits)| waits)
    }

    fn set(&self, waits: Waits) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), waits));
    }

    /// An operator has just changed it.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Waits {
    /// For an invitation that was written just now: looks, unless somebody did a moment ago. What
    /// was written stays so, whether or not it can be said what keeps it.
    pub async fn of_written(app: &App) -> Self {
        let now = app.ctx().now();
        if let Some(lately) = app.last_look().get() {
            return Self { now, ..lately };
        }
        let due = match app.store().holds(now).await {
            Ok(holds) => holds.for_queue(QueueName::Invitation, now),
            Err(error) => {
                tracing::debug!(%error, "what keeps invitations waiting can't be read now");
                None
            }
        };
        let waits = Self { due, now };
        app.last_look().set(waits);
        waits
    }

    /// Looks, if one of them is due.
    pub async fn of(
        app: &App,
        invitations: impl IntoIterator<Item = &Invitation>,
    ) -> Result<Self, Problem> {
        let now = app.ctx().now();
        let is_due =
            |invitation: &Invitation| is_queued(invitation) && !is_put_off(invitation, now);
        let due = if invitations.into_iter().any(is_due) {
            app.store().holds(now).await?.for_queue(QueueName::Invitation, now)
        } else {
            None
        };
        Ok(Self { due, now })
    }

    /// What keeps that one waiting.
    pub fn held_by(&self, invitation: &Invitation) -> Option<HeldBy> {
        if !is_queued(invitation) {
            return None;
        }
        if is_put_off(invitation, self.now) { invitation.held_by } else { self.due }
    }
}

fn is_queued(invitation: &Invitation) -> bool {
    invitation.status == InvitationStatus::Queued
}

fn is_put_off(invitation: &Invitation, now: Timestamp) -> bool {
    invitation.next_attempt_at.is_some_and(|at| now < at)
}
