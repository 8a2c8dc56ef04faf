//! The whole of it, from one end to the other: real programs, real HTTP, every database.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails at once and loudly")]

mod access;
mod bad_input;
mod bad_requests;
mod commands;
mod configuration;
mod cookies;
mod crashes;
mod crowd;
mod delivery;
mod http;
mod idempotency;
mod invitations;
mod invite_command;
mod links;
mod lists;
mod login;
mod migrations;
mod ops_access;
mod ops_commands;
mod ops_jobs;
mod ops_metrics;
mod ops_queues;
mod origins;
mod outages;
mod readme;
mod removal;
mod secrets;
mod sessions;
mod sweep;
mod walk;
