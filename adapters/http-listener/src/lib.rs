//! An HTTP/1.1 server loop for [`tower`] services, with limits against slow and numerous clients.
//!
//! [`serve`] limits the time to send a request and to stay idle, the size of a header, the number of
//! open connections, and the time of a shutdown. [`host`], [`AllowedHosts`] and [`is_cross_origin`]
//! protect a local listener against web pages.

mod body;
mod connection;
mod host;
mod options;
mod serve;

pub use body::{BodyTimedOut, RequestBody};
pub use host::{AllowedHosts, InvalidHost, host, is_cross_origin};
pub use options::{Options, share_of_descriptors};
pub use serve::serve;

/// The error type of services and bodies.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
