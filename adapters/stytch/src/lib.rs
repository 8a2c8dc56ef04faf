//! guestlist-stytch
