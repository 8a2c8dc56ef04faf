//! A JWT as it is shown, and what one of good signature says.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| guestlist_stytch::whatever::jwt(text));
