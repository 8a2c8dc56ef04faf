//! Responses: lines of status and `Retry-After`, then the body.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| guestlist_stytch::invariants::check_response_text(text));
