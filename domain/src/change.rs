//! Changes: what a flow wants to write, applied atomically.
//!
//! A flow reads, decides, and returns a `Change`. It holds no transaction in between, so none stays
//! open during a network call, and the store can group many changes in one commit.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::model::text_enum;
use crate::{
    ApiKey, Attempt, Email, EndSessions, Event, Invitation, JobOutcome, LoginRequest, NewJob,
    Operation, Reconciliation, Session, UsedLink, User, UserId,
};

/// Rows to write, events to append and jobs to enqueue: all of them, or none.
///
/// A row to insert must not exist (by its unique keys); a row to update or delete must be unchanged
/// since it was read (by its `version`). Otherwise the verdict is [`Verdict::Conflict`]. Within a
/// change, deletions precede updates, and updates precede insertions, so that a unique value released
/// by one row can be taken by another.
#[must_use]
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// Addresses and identities are unique among users.
    pub users: Rows<User>,
    /// Addresses are unique among open invitations.
    pub invitations: Rows<Invitation>,
    pub sessions: Vec<Session>,
    pub end_sessions: Vec<EndSessions>,
    pub used_links: Vec<UsedLink>,
    pub login_requests: Vec<LoginRequest>,
    pub api_keys: Rows<ApiKey>,
    pub tombstones: Vec<Tombstone>,
    /// Writing an address twice is no conflict.
    pub removed_addresses: Vec<RemovedAddress>,
    pub reconciliations: Vec<Reconciliation>,
    /// Facts about several rows that must not have changed since they were read.
    pub guards: Vec<Guard>,
    pub events: Vec<Event>,
    pub jobs: Vec<NewJob>,
    /// Operations on jobs and queues. A job in an unsuitable state is a conflict.
    pub operations: Vec<Operation>,
    /// The end of the job attempt that led to this change.
    pub settlement: Option<Settlement>,
}

/// Rows of one table to write.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows<T> {
    pub insert: Vec<T>,
    pub update: Vec<Update<T>>,
    pub delete: Vec<T>,
}

/// A row as it was read, and as it is to be. The store writes the columns that differ, and increments
/// the version even if none does.
#[derive(Debug, Clone, PartialEq)]
pub struct Update<T> {
    pub before: T,
    pub after: T,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { insert: Vec::new(), update: Vec::new(), delete: Vec::new() }
    }
}

/// The identity of a removed user, by which late provider events are recognized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    pub provider_user_id: String,
    pub user_id: UserId,
    pub at: Timestamp,
}

/// The SHA-256 hash of a removed user's address. It recognizes the address without storing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RemovedAddress(pub [u8; 32]);

impl RemovedAddress {
    pub fn of(email: &Email) -> Self {
        Self(Sha256::digest(email.as_str()).into())
    }
}

/// A counter that related changes increment. Of two changes that were decided on the same value, only
/// one is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    pub name: GuardName,
    /// The value that was read; 0 if the counter was never incremented.
    pub version: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum GuardName {
    /// Incremented by changes that take away an active administrator, and by changes that are permitted
    /// because there is none.
    ActiveAdmins,
}

text_enum!(GuardName);

/// The end of a job attempt. It is written only while the worker holds the lease on the job.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    pub attempt: Attempt,
    pub queue: String,
    /// When the job was due.
    pub run_at: Timestamp,
    /// The fencing token of the lease; it increases with each claim.
    pub fence: i64,
    pub worker: String,
    pub finished_at: Timestamp,
    pub outcome: JobOutcome,
}

/// The result of applying a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The change is durable.
    Applied,
    /// Nothing was written, because an expectation did not hold. Read and decide again.
    Conflict,
    /// Nothing was written, because another worker holds the lease on the settled job.
    LeaseLost,
}

impl Change {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn event(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    pub fn job(mut self, job: NewJob) -> Self {
        self.jobs.push(job);
        self
    }

    pub fn operation(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    pub fn insert_user(mut self, user: User) -> Self {
        self.users.insert.push(user);
        self
    }

    pub fn update_user(mut self, before: User, after: User) -> Self {
        self.users.update.push(Update { before, after });
        self
    }

    /// Makes the change conflict if the user has changed since they were read.
    pub(crate) fn require_user(self, user: &User) -> Self {
        self.update_user(user.clone(), user.clone())
    }

    /// Inserts a user who is new, and updates any other.
    pub(crate) fn upsert_user(self, before: Option<User>, after: User) -> Self {
        match before {
            None => self.insert_user(after),
            Some(before) => self.update_user(before, after),
        }
    }

    pub fn insert_invitation(mut self, invitation: Invitation) -> Self {
        self.invitations.insert.push(invitation);
        self
    }

    pub fn update_invitation(mut self, before: Invitation, after: Invitation) -> Self {
        self.invitations.update.push(Update { before, after });
        self
    }

    /// Makes the change conflict if the invitation has changed since it was read.
    pub(crate) fn require_invitation(self, invitation: &Invitation) -> Self {
        self.update_invitation(invitation.clone(), invitation.clone())
    }

    pub fn end_sessions(mut self, end: EndSessions) -> Self {
        self.end_sessions.push(end);
        self
    }
}
