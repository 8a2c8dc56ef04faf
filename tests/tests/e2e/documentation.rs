//! What the documentation promises.

mod connect_page;
mod known_problems;
mod quick_start;
mod readme;
