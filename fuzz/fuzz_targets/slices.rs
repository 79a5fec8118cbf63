#![no_main]

use libfuzzer_sys::fuzz_target;
use neural_phylogeny_fuzz::{parts, search};

// The files of a model in Meta's layout.
fuzz_target!(|data: &[u8]| {
    let names = ["/given/params.json", "/given/consolidated.00.pth", "/given/consolidated.01.pth"];
    search(names.into_iter().zip(parts(data)));
});
