//! What the worker and the application share: configuration, bootstrap, shutdown, logs, and the
//! HTTP listener.

pub mod bootstrap;
pub mod config;
pub mod listener;
pub mod shutdown;
pub mod telemetry;
pub mod terminal;
mod unconfigured_provider;
