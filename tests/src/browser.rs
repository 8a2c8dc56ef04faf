//! Headless Chromium, controlled through chromedriver.
//!
//! The `WebDriver` protocol is a few JSON requests, so it is used without a client library:
//! thirtyfour turns on `serde_json/preserve_order` in the programs under test, and fantoccini has
//! a licence that `deny.toml` does not allow.

mod audit;
mod command;
mod driver;
mod element;
mod window;

pub use driver::WebDriver;
pub use element::{ENTER, ESCAPE, TAB};
pub use window::{Size, Window};

use crate::{Engine, Guestlist, Setup};

/// Starts chromedriver and an installation in one process; returns `None` without chromedriver.
pub async fn start_with_browsers() -> Option<(WebDriver, Guestlist)> {
    start_setup_with_browsers(Guestlist::dev(Engine::Sqlite)).await
}

/// Starts chromedriver and an installation; returns `None` without chromedriver.
pub async fn start_setup_with_browsers(setup: Setup) -> Option<(WebDriver, Guestlist)> {
    let browsers = WebDriver::start()?;
    Some((browsers, setup.start().await))
}
