//! Sessions and their cookies.

mod cookies;
mod key_rotation;
mod lifecycle;
mod provider_budget;
mod provider_outages;
mod session_list;
