//! What people do, in the browser that they do it with: headless Chromium, profiles of their own.
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
