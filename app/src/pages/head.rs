//! What stands above every page of somebody who is logged in: who they are, the way to the other
//! pages, and the way out.

use guestlist_domain::Role;
use guestlist_domain::flows::VerifiedSession;

/// For `head.html`.
pub struct Head<'a> {
    pub me: &'a str,
    /// The page that it stands above.
    pub here: &'static str,
    is_admin: bool,
}

/// The pages that are only for administrators.
const PLACES: [(&str, &str); 3] = [("/", "People"), ("/audit", "Audit"), ("/connect", "Connect")];

impl<'a> Head<'a> {
    /// Above `here`.
    pub fn of(me: &'a VerifiedSession, here: &'static str) -> Self {
        let is_admin = me.user.role == Role::Admin;
        Self { me: me.user.email.as_str(), here, is_admin }
    }

    /// Where they can go, and what it is called.
    pub fn places(&self) -> &'static [(&'static str, &'static str)] {
        if self.is_admin { &PLACES } else { &[] }
    }
}
