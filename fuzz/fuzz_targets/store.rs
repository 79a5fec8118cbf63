#![no_main]

use libfuzzer_sys::fuzz_target;
use neural_phylogeny::sketch::Sketch;
use neural_phylogeny::store::SketchStore;
use neural_phylogeny_fuzz::{Scratch, parts};
use std::sync::LazyLock;

/// A sketch that is asked for.
const ASKED: &[u8] =
    include_bytes!("../../tests/golden/store/sketches/ead1698f5fda0fd1d74957fdc60d9076.safetensors");

static STORE: LazyLock<Scratch> = LazyLock::new(Scratch::default);
static BESIDE: LazyLock<(Scratch, Sketch)> = LazyLock::new(|| {
    let scratch = Scratch::default();
    let sketch = Sketch::open(scratch.write("asked.safetensors", ASKED)).expect("a good sketch");
    (scratch, sketch)
});

// Settings, index, and a sketch under a good name.
fuzz_target!(|data: &[u8]| {
    let names = ["sketches.json", "index.safetensors", "a5ec863538f77345b001905c002bc31e.safetensors"];
    STORE.fill(names.into_iter().zip(parts(data)));
    let Ok(store) = SketchStore::open(STORE.path()) else { return };
    let _ = store.verify();
    let _ = store.nearest(&BESIDE.1, 4);
    for entry in store.entries().unwrap_or_default() {
        let _ = store.get(&entry.name);
    }
});
