#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringfence::fuzzing::run("profile_text", data));
