//! Tests of the pages in headless Chromium. Each test starts browsers with empty profiles.
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod accessibility;
mod api_docs;
mod audit_log;
mod connected_application;
mod failed_links;
mod home;
mod hostile_texts;
mod invitations;
mod keyboard;
mod links;
mod login;
mod operations;
mod operations_incidents;
mod page_size;
mod pages;
mod people;
mod quick_start;
mod return_to;
mod script;
mod sessions;
mod steps;
mod without_scripts;
