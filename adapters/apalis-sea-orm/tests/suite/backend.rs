//! Running apalis workers.

mod handler_outcomes;
mod handlers;
mod idle_cost;
mod manual_pacing;
mod outages;
mod shutdown;
mod suspend;
mod worker;
