//! guestlist-worker
