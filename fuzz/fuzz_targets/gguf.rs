#![no_main]

use libfuzzer_sys::fuzz_target;
use neural_phylogeny::format::Gguf;
use neural_phylogeny_fuzz::{open, parts, search};

// One part is a whole file. Several are the files of a split one.
fuzz_target!(|data: &[u8]| {
    let parts = parts(data);
    if parts.len() == 1 {
        return open(&Gguf, "model.gguf", data);
    }
    let names: Vec<String> =
        (1..=parts.len()).map(|n| format!("/given/model-{n:05}-of-{:05}.gguf", parts.len())).collect();
    search(names.iter().map(String::as_str).zip(parts));
});
