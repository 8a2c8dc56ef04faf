//! The OpenAPI 3.1 document, generated from the routes: extractors document what they require and
//! how they refuse, and routes document the rest.

pub mod document;
pub mod operation;
pub mod responses;
pub mod schemas;

pub use operation::{ApiRouterExt, OperationExt};
