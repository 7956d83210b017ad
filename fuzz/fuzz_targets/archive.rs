#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rootlay_fuzz::archive(input));
