//! guestlist-migrations
