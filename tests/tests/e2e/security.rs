//! Authorization, browser security, and logs.

mod audit_log;
mod authorization;
mod headers;
mod log_redaction;
mod origins;
mod permission_table;
mod security_log;
