//! The timeline of an invitation agrees with its state.

use guestlist_domain::{Event, EventKind as Kind, Invitation, InvitationStatus as Status};

/// The state of an invitation after a part of its timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TimelineState {
    status: Status,
    is_sent: bool,
    is_visited: bool,
    resent: i32,
}

pub(super) fn check_timeline(invitation: &Invitation, timeline: &[Event]) {
    let story: Vec<&str> = timeline.iter().map(|event| event.kind.as_str()).collect();
    let recorded =
        replay(timeline).unwrap_or_else(|kind| panic!("{kind} cannot happen: {story:?}"));
    let stored = TimelineState {
        status: invitation.status,
        is_sent: invitation.sent_at.is_some(),
        is_visited: invitation.visited_at.is_some(),
        resent: recorded.map_or(0, |recorded| recorded.resent),
    };
    assert_eq!(Some(stored), recorded, "{story:?}");
    // A retried job resends the same delivery.
    assert!(stored.resent >= invitation.delivery - 1, "{story:?}");
}

fn replay(timeline: &[Event]) -> Result<Option<TimelineState>, Kind> {
    timeline
        .iter()
        .try_fold(None, |recorded, event| next(recorded, event.kind).ok_or(event.kind).map(Some))
}

/// Returns the state after an event; `None` if the event is impossible.
fn next(recorded: Option<TimelineState>, kind: Kind) -> Option<TimelineState> {
    let Some(recorded) = recorded else {
        let begins =
            TimelineState { status: Status::Queued, is_sent: false, is_visited: false, resent: 0 };
        return (kind == Kind::Requested).then_some(begins);
    };
    let is_queued = recorded.status == Status::Queued;
    let is_final = matches!(recorded.status, Status::Accepted | Status::Revoked);
    let become_ = |so: bool, status: Status| so.then_some(TimelineState { status, ..recorded });
    match kind {
        Kind::Held => is_queued.then_some(recorded),
        Kind::Attempted | Kind::Doubtful => Some(recorded),
        Kind::Sent => become_(is_queued, Status::Sent)
            .map(|recorded| TimelineState { is_sent: true, ..recorded }),
        Kind::Visited => {
            recorded.status.is_open().then_some(TimelineState { is_visited: true, ..recorded })
        }
        Kind::Accepted => become_(recorded.status.is_open(), Status::Accepted),
        Kind::Failed => become_(is_queued, Status::Failed),
        Kind::Expired => become_(recorded.status.is_open(), Status::Expired),
        Kind::Revoked => become_(!is_final, Status::Revoked),
        Kind::Resent => become_(!is_final, Status::Queued).map(|recorded| TimelineState {
            is_sent: false,
            is_visited: false,
            resent: recorded.resent + 1,
            ..recorded
        }),
        _ => None,
    }
}
