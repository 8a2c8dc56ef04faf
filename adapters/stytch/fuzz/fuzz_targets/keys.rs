//! The public keys, and on the line after them a JWT to check with them.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| guestlist_stytch::whatever::keys(text));
