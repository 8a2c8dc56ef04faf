//! guestlist
