//! guestlist-domain
