//! Pages for people who are not logged in, and the page that says that they are: one card each.

pub mod authenticate;
mod durations;
pub mod login;
pub mod member;
mod problem;

pub use problem::{form_error, problem_page};
