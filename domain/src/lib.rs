//! The business of Guestlist, without I/O and without a runtime.
//!
//! The words:
//!
//! - A **user** is a person with an address. They are `invited`, `active`, `suspended` or
//!   `deleting`; only active users, and those with an open invitation, can come in.
//! - An **invitation** asks one person in. It is *open* while `queued` or `sent`, and ends as
//!   `accepted`, `failed`, `expired` or `revoked`. A *delivery* is one asking to send its mail; an
//!   *attempt* is one call to Stytch for it.
//! - A **session** is a login that lasts. Stytch made it; a row here decides whether it still
//!   admits.
//! - An **event** is a thing that happened; the events of an invitation are its *timeline*.
//! - A **job** is work for the worker. It is *performed* (what others can see) and then
//!   *concluded* (what is written).
//! - A **flow** is what happens when somebody asks for something: it reads, decides, and hands a
//!   **change** to the **store**, which answers with a **verdict**.

mod actor;
mod change;
mod characters;
mod clock;
mod ctx;
mod email;
mod event;
pub mod flows;
mod ids;
mod invitation;
mod job;
mod key;
mod name;
mod operation;
mod ports;
mod reach;
mod reconciliation;
mod session;
mod standing;
mod user;

pub use actor::Actor;
pub use change::{Change, Guard, GuardName, RemovedAddress, Rows, Settlement, Tombstone, Verdict};
pub use characters::changes_direction;
pub use clock::{CLOCK_TOLERANCE, Clock, Ids, ManualClock, SystemClock, SystemIds, is_credible};
pub(crate) use ctx::OptimisticRetry;
pub use ctx::{Ctx, Limit, Policy};
pub use email::{Email, EmailError};
pub use event::{Event, EventKind};
pub use ids::{
    ApiKeyId, EventId, InvitationId, JobId, LoginRequestId, ReconciliationId, SessionId, UserId,
};
pub use invitation::{
    DeliveryError, HeldBy, InvalidTransition, Invitation, InvitationStatus, MAIL_INTERVAL, ReturnTo,
};
pub use job::{
    Attempt, CallGate, Execution, Job, JobError, JobOutcome, MAX_RETRY_DELAY, NewJob, Outage,
    PERIODIC_KEY_PREFIX, QueueName, RetryPolicy,
};
pub use key::{ApiKey, Scope};
pub use name::{Name, NameError};
pub use operation::{JobState, Operation, QueuedJob};
pub use ports::{
    AuthenticatedSession, Cursor, ExpiredRows, Identity, IdentityEvent, IdentityPage,
    IdentityProvider, InvitationFilter, InviteMail, JwtClaims, JwtError, LinkClaim, LoginMail,
    Page, Profile, ProfileStatus, ProviderError, ProviderErrorKind, ProviderSession,
    ReadInvitations, ReadJobs, ReadKeys, ReadReconciliation, ReadSessions, ReadUsers, SearchPrefix,
    SentMail, SortKey, Store, StoreError, Tokens, Usage, UserFilter,
};
pub use reach::ManageableRoles;
pub use reconciliation::{Comparison, Difference, Drift, DriftCount, Reconciliation, RepairAction};
pub use session::{
    EndReason, EndSessions, LoginRequest, Session, SessionSelector, TokenHash, UsedLink,
};
pub use standing::{HealthIssue, HoldReasons, ProviderHealth, WorkerReport};
pub use user::{Metadata, MetadataTooLarge, Role, User, UserStatus};
