//! Running apalis workers.

mod handler_outcomes;
mod handlers;
mod idle_cost;
mod outages;
mod pacing;
mod shutdown;
mod suspend;
mod wakes;
mod worker;
