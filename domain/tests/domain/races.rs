//! Concurrent changes: a row changes between a flow's read and its write, and the flow decides again.

mod changes;
mod conflicts;
mod deliveries;
mod invitations;
mod logins;
mod operations;
mod reconciliations;
mod users;
