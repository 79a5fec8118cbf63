#![no_main]

use libfuzzer_sys::fuzz_target;
use neural_phylogeny_fuzz::{parts, search};

// The weights, and the configuration beside them.
fuzz_target!(|data: &[u8]| {
    let names = ["/given/model.safetensors", "/given/config.json"];
    search(names.into_iter().zip(parts(data)));
});
