//! Sessions of browsers and API clients: the cookies, logging in by a link, logging out.

pub mod cookies;
pub mod device;
pub mod in_flight;
pub mod redemption;

use crate::problem::Code;

pub const LINK_PROBLEMS: &[Code] = &[
    Code::LinkUsed,
    Code::LinkExpired,
    Code::LinkInvalid,
    Code::InvitationRevoked,
    Code::AccountSuspended,
    Code::NotInvited,
    Code::ProviderUnavailable,
];
