//! Sessions.

mod check;
mod end;
