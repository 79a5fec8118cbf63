#![no_main]

use libfuzzer_sys::fuzz_target;
use neural_phylogeny::geometry::{Geometry, GeometrySettings};
use neural_phylogeny::{InMemory, ModelSet};
use neural_phylogeny_fuzz::Scratch;
use std::fs;
use std::ops::ControlFlow;
use std::sync::LazyLock;
use std::time::Duration;

/// Two small models, and the file of a pass over them that was stopped.
static STOPPED: LazyLock<(Scratch, ModelSet, Vec<u8>)> = LazyLock::new(|| {
    let scratch = Scratch::default();
    let model = |scale: f32| {
        let values = (0..600).map(|i| scale * (i as f32).sin()).collect();
        InMemory::new().with_parameter("a", [30, 20], values)?.with_parameter("b", [2], vec![scale; 2])
    };
    let models = [("one", model(1.0).expect("a model")), ("two", model(1.5).expect("a model"))];
    let models = ModelSet::from_models(models).expect("two models");
    let path = scratch.path().join("sums");
    let settings = GeometrySettings::new().with_threads(1).with_resume_file(&path).with_resume_every(Duration::ZERO);
    let stopping = settings.with_observer(|_| ControlFlow::Break(()));
    let _ = Geometry::compute(&models, &stopping);
    let bytes = fs::read(&path).unwrap_or_default();
    (scratch, models, bytes)
});

// Changes to the file of a pass: six bytes each, a position in four and how many bytes are replaced by the last one.
fuzz_target!(|data: &[u8]| {
    let (scratch, models, good) = &*STOPPED;
    let bytes = match data.split_first() {
        Some((0, changes)) => {
            let mut bytes = good.clone();
            for change in changes.chunks_exact(4) {
                let at = usize::from(u16::from_le_bytes([change[0], change[1]]));
                bytes.iter_mut().skip(at).take(1 + usize::from(change[2] % 8)).for_each(|byte| *byte = change[3]);
            }
            bytes
        }
        _ => data.to_vec(),
    };
    let path = scratch.write("sums", &bytes);
    let settings = GeometrySettings::new().with_threads(1).with_resume_file(&path);
    let _ = Geometry::compute(models, &settings);
});
