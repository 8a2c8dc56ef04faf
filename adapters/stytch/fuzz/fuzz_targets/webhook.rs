//! Bodies of webhooks with a valid signature.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| guestlist_stytch::invariants::check_webhook(text));
