//! The HTTP/1.1 server loop that every listener of this workspace runs, below any framework.
//!
//! [`serve`] bounds what a client can hold: the time to send a request and to stay idle, the size of
//! a header, the number of open connections, and the time that a shutdown may take. [`host`],
//! [`AllowedHosts`] and [`is_cross_origin`] are the checks that keep web pages away from a listener
//! that is meant for its own machine.

mod body;
mod connection;
mod host;
mod options;
mod origin;
mod serve;

pub use body::{BodyTimedOut, RequestBody};
pub use host::{AllowedHosts, InvalidHost, host};
pub use options::{Options, share_of_descriptors};
pub use origin::is_cross_origin;
pub use serve::serve;

/// Any error, as hyper takes it from services and bodies.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
