//! Invitations from creation to acceptance.

mod clock_skew;
mod concurrency;
mod crashes;
mod delivery;
mod invite_command;
mod lifecycle;
mod pages;
