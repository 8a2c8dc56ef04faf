//! Two things happen at once. Something changes between a flow's reading and its writing: the
//! store says so, and the flow decides again on what is there now.

mod changes;
mod coming_in;
mod comparisons;
mod deliveries;
mod invitations;
mod operations;
mod people;
mod turns;
