//! The configuration of the application: settings it shares with the worker, and its own.

mod client_ip;
mod settings;
mod site;
mod warnings;

pub use settings::Config;
#[cfg(test)]
pub use site::test_site;
pub use site::{SiteConfig, StytchProject, is_loopback};
pub use warnings::{ConfigWarning, is_owner_only, with_suffix};
