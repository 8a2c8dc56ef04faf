//! Middleware, from the outermost layer inwards: request ids and logging, rendering of problems and
//! security headers, host checks, and idempotency keys.

pub mod host;
pub mod idempotency;
pub mod problems;
pub mod request;
