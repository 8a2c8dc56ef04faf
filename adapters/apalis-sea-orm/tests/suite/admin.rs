//! Operations of operators.

mod cancel;
mod dismiss;
mod inspect;
mod pause;
mod retry;
mod statistics;
