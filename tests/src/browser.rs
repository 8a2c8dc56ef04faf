//! Real browsers, in profiles of their own: headless Chromium, steered by chromedriver.
//!
//! Spoken to in bare `WebDriver`, which is a handful of JSON calls: the clients on crates.io would
//! turn on `serde_json/preserve_order` in the very programs under test (thirtyfour), or come with
//! a licence that `deny.toml` refuses (fantoccini).

mod audit;
mod driver;
mod element;
mod window;

pub use driver::Browsers;
pub use element::{ENTER, TAB};
pub use window::{Size, Window};

use crate::{Engine, Guestlist, Setup};

/// An installation of one process, and browsers to see it with; none where there is no
/// chromedriver, which is said.
pub async fn seen_by_browsers() -> Option<(Browsers, Guestlist)> {
    seen_as(Guestlist::dev(Engine::Sqlite)).await
}

/// The same, set up as it says.
pub async fn seen_as(setup: Setup) -> Option<(Browsers, Guestlist)> {
    let browsers = Browsers::start()?;
    Some((browsers, setup.start().await))
}
