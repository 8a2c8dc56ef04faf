//! Login links and logins.

mod bootstrap_admins;
mod limits;
mod links;
mod redeem_link;
mod refuse;
mod repeated_requests;
mod send_login_link;
