//! A JWKS on the first line and a JWT on the second.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| guestlist_stytch::invariants::check_keys(text));
