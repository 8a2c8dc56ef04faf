//! Invitations: requests, transitions and visits.

mod clock_ahead;
mod invite;
mod record_visit;
mod resend;
mod revoke;
mod transitions;
