//! Reads: single rows, lists, searches, and the plans of their queries.

mod audit;
mod invitation_counts;
mod lists;
mod query_plans;
mod reconciliation;
mod round_trip;
mod search;
