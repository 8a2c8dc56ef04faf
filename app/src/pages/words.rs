//! How pages say things.

use jiff::Timestamp;

/// A time, for people.
pub fn moment(time: Timestamp) -> String {
    time.strftime("%-d %B %Y, %H:%M UTC").to_string()
}
