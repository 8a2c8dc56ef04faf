//! Deliveries of invitations.

mod call_gate;
mod dead_jobs;
mod doubt_start;
mod earlier_calls;
mod hold;
mod look_up;
mod mail_spacing;
mod operate;
mod outages;
mod retry;
mod send;
