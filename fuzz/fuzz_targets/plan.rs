#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringfence::fuzzing::run("plan", data));
