//! guestlist-database
