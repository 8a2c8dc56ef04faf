//! What a webhook says that is signed.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| guestlist_stytch::whatever::webhook(text));
