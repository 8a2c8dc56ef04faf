//! The rows of all tables, and the application of changes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Debug;

use guestlist_domain::{
    ApiKey, ApiKeyId, Change, EndSessions, Event, EventId, GuardName, Invitation, InvitationId,
    JobId, JobState, LoginRequest, Operation, QueueName, Reconciliation, RemovedAddress, Rows,
    Session, SessionId, SessionSelector, TokenHash, Tombstone, Update, UsedLink, User, UserId,
    Verdict,
};
use jiff::Timestamp;

use crate::jobs::JobRow;

/// The rows of all tables.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    pub users: BTreeMap<UserId, User>,
    pub invitations: BTreeMap<InvitationId, Invitation>,
    pub sessions: BTreeMap<SessionId, Session>,
    pub used_links: Vec<UsedLink>,
    pub link_claims: HashMap<TokenHash, Timestamp>,
    pub login_requests: Vec<LoginRequest>,
    pub api_keys: BTreeMap<ApiKeyId, ApiKey>,
    pub tombstones: Vec<Tombstone>,
    pub removed_addresses: BTreeSet<RemovedAddress>,
    pub reconciliations: Vec<Reconciliation>,
    pub guards: HashMap<GuardName, i64>,
    pub events: BTreeMap<EventId, Event>,
    pub jobs: BTreeMap<JobId, JobRow>,
    pub paused: BTreeSet<QueueName>,
}

/// An expectation of the change does not hold.
struct Conflict;

type Written = Result<(), Conflict>;

impl Tables {
    /// Applies a change atomically.
    pub fn apply(&mut self, change: Change) -> Verdict {
        if let Some(settlement) = &change.settlement {
            let job = self.jobs.get(&settlement.attempt.job);
            if !job.is_some_and(|job| job.is_held_by(settlement)) {
                return Verdict::LeaseLost;
            }
        }
        let mut after = self.clone();
        match after.write(change) {
            Ok(()) => {
                *self = after;
                Verdict::Applied
            }
            Err(Conflict) => Verdict::Conflict,
        }
    }

    fn write(&mut self, change: Change) -> Written {
        for operation in &change.operations {
            self.operate(operation)?;
        }
        for guard in change.guards {
            let version = self.guards.entry(guard.name).or_default();
            require(*version == guard.version)?;
            *version += 1;
        }
        write_rows(&mut self.users, change.users)?;
        write_rows(&mut self.invitations, change.invitations)?;
        write_rows(&mut self.api_keys, change.api_keys)?;
        // Sessions end before new ones start.
        change.end_sessions.iter().for_each(|end| self.end_sessions(end));
        for session in change.sessions {
            require(self.sessions.insert(session.id, session).is_none())?;
        }
        self.used_links.extend(change.used_links);
        self.login_requests.extend(change.login_requests);
        for tombstone in change.tombstones {
            self.tombstones.retain(|one| one.provider_user_id != tombstone.provider_user_id);
            self.tombstones.push(tombstone);
        }
        self.removed_addresses.extend(change.removed_addresses);
        self.reconciliations.extend(change.reconciliations);
        // Only the newest is kept.
        let newest = self.reconciliations.iter().map(|record| record.id).max();
        self.reconciliations.retain(|record| Some(record.id) == newest);
        for event in change.events {
            require(self.events.insert(event.id, event).is_none())?;
        }
        for job in change.jobs {
            require(self.jobs.insert(job.id, JobRow::new(job)).is_none())?;
        }
        if let Some(settlement) = change.settlement
            && let Some(job) = self.jobs.get_mut(&settlement.attempt.job)
        {
            job.settle(settlement.outcome);
        }
        self.check_unique()
    }

    fn operate(&mut self, operation: &Operation) -> Written {
        match operation {
            Operation::Pause { queue, .. } => drop(self.paused.insert(*queue)),
            Operation::Resume(queue) => drop(self.paused.remove(queue)),
            Operation::Cancel { job, .. } => {
                let is_allowed =
                    |state: JobState| state.can_be_cancelled() || state.can_be_dismissed();
                self.job_if(*job, is_allowed)?.cancel();
            }
            Operation::CancelIfDead { key, .. } => {
                let dead = self.jobs.values_mut().filter(|row| row.state == JobState::Dead);
                let matching = dead.filter(|row| row.job.unique_key.as_ref() == Some(key));
                matching.for_each(|row| row.state = JobState::Cancelled);
            }
            Operation::Retry { job, at, requested_at } => {
                let state = if at > requested_at { JobState::Scheduled } else { JobState::Ready };
                self.job_if(*job, JobState::can_be_retried)?.retry(state, *at);
            }
        }
        Ok(())
    }

    fn job_if(
        &mut self,
        id: JobId,
        is_allowed: fn(JobState) -> bool,
    ) -> Result<&mut JobRow, Conflict> {
        self.jobs.get_mut(&id).filter(|row| is_allowed(row.state)).ok_or(Conflict)
    }

    fn end_sessions(&mut self, end: &EndSessions) {
        let matches = |session: &Session| match end.sessions {
            SessionSelector::One(id) => session.id == id,
            SessionSelector::AllBut(id) => session.id != id,
            SessionSelector::All => true,
        };
        let sessions = self.sessions.values_mut().filter(|session| session.user_id == end.user_id);
        for session in sessions.filter(|session| matches(session)) {
            session.ended.get_or_insert((end.at, end.reason));
        }
    }

    /// Checks unique keys of tables whose rows are only inserted.
    fn check_unique(&self) -> Written {
        let sessions = || self.sessions.values();
        unique(sessions().map(|session| session.token_hash))?;
        unique(sessions().map(|session| &session.provider_session_id))?;
        unique(self.used_links.iter().map(|link| link.token_hash))?;
        unique(self.login_requests.iter().map(|request| (&request.email, request.ordinal)))?;
        unique(self.jobs.values().filter_map(|row| row.job.unique_key.as_ref()))
    }
}

/// A row with a version.
trait Row: Debug + PartialEq + Sized {
    type Id: Ord + Copy;
    fn id(&self) -> Self::Id;
    fn version(&mut self) -> &mut i64;
    /// Returns the row with the stored time of last use, which changes without the version.
    fn with_last_use_of(self, _stored: &Self) -> Self {
        self
    }
    /// Keeps what an update does not change: the time of last use only moves forward.
    fn keep(&mut self, _stored: &Self) {}
    fn check_unique(table: &BTreeMap<Self::Id, Self>) -> Written;
}

impl Row for User {
    type Id = UserId;
    fn id(&self) -> UserId {
        self.id
    }
    fn version(&mut self) -> &mut i64 {
        &mut self.version
    }
    fn with_last_use_of(self, stored: &Self) -> Self {
        Self { last_seen_at: stored.last_seen_at, ..self }
    }
    fn keep(&mut self, stored: &Self) {
        self.last_seen_at = self.last_seen_at.max(stored.last_seen_at);
    }
    fn check_unique(table: &BTreeMap<UserId, Self>) -> Written {
        unique(table.values().map(|user| &user.email))?;
        unique(table.values().filter_map(|user| user.provider_user_id.as_ref()))
    }
}

impl Row for Invitation {
    type Id = InvitationId;
    fn id(&self) -> InvitationId {
        self.id
    }
    fn version(&mut self) -> &mut i64 {
        &mut self.version
    }
    fn check_unique(table: &BTreeMap<InvitationId, Self>) -> Written {
        let open = table.values().filter(|invitation| invitation.status.is_open());
        unique(open.map(|invitation| &invitation.email))
    }
}

impl Row for ApiKey {
    type Id = ApiKeyId;
    fn id(&self) -> ApiKeyId {
        self.id
    }
    fn version(&mut self) -> &mut i64 {
        &mut self.version
    }
    fn with_last_use_of(self, stored: &Self) -> Self {
        Self { last_used_at: stored.last_used_at, ..self }
    }
    fn keep(&mut self, stored: &Self) {
        self.last_used_at = self.last_used_at.max(stored.last_used_at);
    }
    fn check_unique(table: &BTreeMap<ApiKeyId, Self>) -> Written {
        unique(table.values().map(|key| key.hash))
    }
}

/// Deletes, updates and inserts rows, in this order, and checks unique keys.
fn write_rows<T: Row>(table: &mut BTreeMap<T::Id, T>, rows: Rows<T>) -> Written {
    for mut row in rows.delete {
        require_unchanged(table, &mut row)?;
        table.remove(&row.id());
    }
    for Update { mut before, mut after } in rows.update {
        let stored = require_unchanged(table, &mut before)?;
        // A database keeps the stored value of each column in which the two rows are equal.
        let read = before.with_last_use_of(stored);
        assert_eq!(read, *stored, "an update requires the row as it was read");
        after.keep(stored);
        *after.version() += 1;
        table.insert(after.id(), after);
    }
    T::check_unique(table)?;
    for row in rows.insert {
        require(table.insert(row.id(), row).is_none())?;
    }
    T::check_unique(table)
}

/// Returns the stored row, which must be at the version that was read.
fn require_unchanged<'a, T: Row>(
    table: &'a mut BTreeMap<T::Id, T>,
    read: &mut T,
) -> Result<&'a T, Conflict> {
    let stored = table.get_mut(&read.id()).ok_or(Conflict)?;
    require(stored.version() == read.version())?;
    Ok(stored)
}

fn require(condition: bool) -> Written {
    if condition { Ok(()) } else { Err(Conflict) }
}

fn unique<K: std::hash::Hash + Eq>(mut keys: impl Iterator<Item = K>) -> Written {
    let mut seen = HashSet::new();
    require(keys.all(|key| seen.insert(key)))
}
