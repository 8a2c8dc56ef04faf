//! Answers to the calls: a status, a line with how long to wait, a body.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| guestlist_stytch::whatever::answer(text));
