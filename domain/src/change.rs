//! What a flow wants to happen, whole or not at all.
//!
//! A flow reads, decides, and hands over a `Change`. It holds no transaction while it thinks, so
//! none can be held over a network call; and the store may put many changes into one commit.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::{
    ApiKey, Attempt, Email, EndSessions, Event, Invitation, JobOutcome, LoginRequest, NewJob,
    Operation, Reconciliation, Session, UsedLink, User, UserId,
};

/// Rows to write, events to append, jobs to enqueue: all of it, or none.
///
/// A row to insert must not exist (by its unique keys); a row to update or delete must be as it
/// was read (by its `version`). Otherwise the verdict is [`Verdict::Conflict`]. Within one change
/// deletions come first, then updates, then insertions: what one row gives up (an address, the
/// place of the open invitation) another may take.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// People; inserting one takes the address, deleting one frees it.
    pub users: Rows<User>,
    /// Invitations; an open one takes the address among open ones.
    pub invitations: Rows<Invitation>,
    /// Sessions that begin.
    pub sessions: Vec<Session>,
    /// Sessions that end.
    pub end_sessions: Vec<EndSessions>,
    /// Links that were used.
    pub used_links: Vec<UsedLink>,
    /// Login links asked for.
    pub login_requests: Vec<LoginRequest>,
    /// API keys.
    pub api_keys: Rows<ApiKey>,
    /// People who are gone, so that late news of them is known to be late.
    pub tombstones: Vec<Tombstone>,
    /// Addresses of people who are gone. Writing one twice is no conflict.
    pub removed_addresses: Vec<RemovedAddress>,
    /// Comparisons with Stytch that came to their end.
    pub reconciliations: Vec<Reconciliation>,
    /// Facts about several rows at once that must not have moved since they were read.
    pub guards: Vec<Guard>,
    /// What happened.
    pub events: Vec<Event>,
    /// What is to be done.
    pub jobs: Vec<NewJob>,
    /// What operators do to jobs and queues. A job that is in the wrong state is a conflict.
    pub operations: Vec<Operation>,
    /// The job that this is the result of.
    pub settlement: Option<Settlement>,
}

/// What happens to rows of one table.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows<T> {
    /// Must not exist.
    pub insert: Vec<T>,
    /// Must be as read.
    pub update: Vec<T>,
    /// Must be as read.
    pub delete: Vec<T>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { insert: Vec::new(), update: Vec::new(), delete: Vec::new() }
    }
}

/// A person who was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// Who it was at Stytch, if they ever got that far.
    pub provider_user_id: String,
    /// Who it was here.
    pub user_id: UserId,
    /// When.
    pub at: Timestamp,
}

/// SHA-256 of the address of a removed person. It recognises the address without keeping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RemovedAddress(pub [u8; 32]);

impl RemovedAddress {
    /// The hash of an address.
    pub fn of(email: &Email) -> Self {
        Self(Sha256::digest(email.as_str()).into())
    }
}

/// A counter that changes of the same kind raise, so that of two that each were right alone only
/// one is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// Which.
    pub name: GuardName,
    /// As it was read; 0 when it was never raised.
    pub version: i64,
}

/// Which counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GuardName {
    /// Raised by a change that takes an active administrator away, and by one that is allowed
    /// because there is none.
    ActiveAdmins,
}

crate::user::words!(GuardName { ActiveAdmins = "active_admins" });

/// How a running job ended. It is written only while its lease holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// Which attempt of which job.
    pub attempt: Attempt,
    /// The lease, by the number that rises with each claim.
    pub fence: i64,
    /// Which worker.
    pub worker: String,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How.
    pub outcome: JobOutcome,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is durable.
    Applied,
    /// None of it: something was not as expected. Read and decide again.
    Conflict,
    /// None of it: the job it settles belongs to another worker by now.
    LeaseLost,
}

impl Change {
    /// Nothing, yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an event.
    #[must_use]
    pub fn event(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    /// Enqueues a job.
    #[must_use]
    pub fn job(mut self, job: NewJob) -> Self {
        self.jobs.push(job);
        self
    }

    /// Does something to the queue.
    #[must_use]
    pub fn operation(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Writes a user who must not exist.
    #[must_use]
    pub fn insert_user(mut self, user: User) -> Self {
        self.users.insert.push(user);
        self
    }

    /// Writes a user who must be as read.
    #[must_use]
    pub fn update_user(mut self, user: User) -> Self {
        self.users.update.push(user);
        self
    }

    /// Writes an invitation that must not exist.
    #[must_use]
    pub fn insert_invitation(mut self, invitation: Invitation) -> Self {
        self.invitations.insert.push(invitation);
        self
    }

    /// Writes an invitation that must be as read.
    #[must_use]
    pub fn update_invitation(mut self, invitation: Invitation) -> Self {
        self.invitations.update.push(invitation);
        self
    }

    /// Ends sessions.
    #[must_use]
    pub fn end_sessions(mut self, end: EndSessions) -> Self {
        self.end_sessions.push(end);
        self
    }
}
