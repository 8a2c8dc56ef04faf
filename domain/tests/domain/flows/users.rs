//! Users and API keys.

mod add;
mod api_keys;
mod change;
mod last_admin;
mod privileged_invitations;
mod remove;
