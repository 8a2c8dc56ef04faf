//! Extractors: who calls, what they are allowed to do, and what they sent.

pub mod authentication;
pub mod authorization;
pub mod body;
pub mod context;
pub mod credentials;
pub mod effects;
pub mod field_errors;
pub mod json;
pub mod numbers;
pub mod origin;
pub mod paging;
pub mod path;
