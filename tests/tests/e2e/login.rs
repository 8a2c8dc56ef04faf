//! Login links: requesting, receiving and redeeming them.

mod account_enumeration;
mod configured_admins;
mod interrupted_logins;
mod login_links;
mod redeem_link;
mod return_to;
