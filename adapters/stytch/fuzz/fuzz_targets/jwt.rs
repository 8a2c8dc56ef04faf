//! Encoded JWTs, and claims of JWTs with a valid signature.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| guestlist_stytch::invariants::check_jwt(text));
