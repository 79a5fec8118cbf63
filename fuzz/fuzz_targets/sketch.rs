#![no_main]

use libfuzzer_sys::fuzz_target;
use neural_phylogeny::sketch::{Sketch, SketchSet};
use neural_phylogeny_fuzz::Scratch;
use std::sync::LazyLock;

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::default);

fuzz_target!(|data: &[u8]| {
    let Ok(sketch) = Sketch::open(SCRATCH.write("sketch.safetensors", data)) else { return };
    let _ = sketch.content();
    for parameter in sketch.listed() {
        let _ = sketch.moments(&parameter.name);
    }
    let _ = sketch.squared_distance_to(&[(1.0, &sketch)]);
    let _ = Sketch::join(&[sketch.clone(), sketch.clone()]);
    let _ = SketchSet::new([("a", sketch.clone()), ("b", sketch)]);
});
