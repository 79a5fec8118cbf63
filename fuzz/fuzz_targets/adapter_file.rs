#![no_main]

use libfuzzer_sys::fuzz_target;
use neural_phylogeny_fuzz::search;

// An adapter that is one file.
fuzz_target!(|data: &[u8]| search([("/given/adapter.safetensors", data)]));
