//! Tests of the pages in headless Chromium. Each test starts browsers with empty profiles.
#![expect(clippy::unwrap_used, reason = "a test fails at once and loudly")]

mod audit;
mod docs;
mod failed_links;
mod first_minutes;
mod joining;
mod keyboard;
mod links;
mod pages;
mod return_to;
mod sessions;
mod steps;
