//! A disk that becomes full or fails while partial sums are kept.

use crate::bytes::faults::{EIO, ENOSPC, Failing, Faults};
use crate::error::Error;
use crate::geometry::{Geometry, GeometrySettings};
use crate::model_set::{ModelId, ModelSet};
use crate::source::InMemory;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

fn models() -> ModelSet {
    let model = |seed: u32| {
        (0..6).fold(InMemory::new(), |model, t: u32| {
            let at = |i: u32| ((i.wrapping_mul(2_654_435_761) ^ (seed + 7 * t).wrapping_mul(40_503)) % 1000) as f32;
            model.with_parameter(format!("{t}.weight"), [30, 20], (0..600).map(at).collect()).unwrap()
        })
    };
    ModelSet::from_models((0..4).map(|seed| (format!("m{seed}"), model(seed)))).unwrap()
}

fn settings(file: &Path) -> GeometrySettings {
    GeometrySettings::new().with_threads(1).with_resume_file(file).with_resume_every(Duration::ZERO)
}

fn distances(geometry: &Geometry) -> Vec<u64> {
    let pairs = (0..4).flat_map(|a| (0..4).map(move |b| (ModelId::new(a), ModelId::new(b))));
    pairs.map(|(a, b)| geometry.distance(a, b).unwrap().to_bits()).collect()
}

#[test]
fn a_disk_that_fails_at_any_step_costs_the_file_and_not_the_run() {
    let (set, folder) = (models(), tempfile::tempdir().unwrap());
    let file = folder.path().join("sums");
    let whole = distances(&Geometry::compute(&set, &GeometrySettings::new()).unwrap());
    let counted = {
        let faults = Faults::new(folder.path(), Failing::None, EIO);
        assert_eq!(Geometry::compute(&set, &settings(&file)).unwrap().unkept(), None);
        faults.steps()
    };
    // Several saves of several steps.
    assert!(counted > 12, "{counted}");
    eprintln!("{counted} steps, {} faults", 3 * counted);
    for at in 0..counted {
        for (failing, error) in [(Failing::Once(at), ENOSPC), (Failing::From(at), ENOSPC), (Failing::From(at), EIO)] {
            let faults = Faults::new(folder.path(), failing, error);
            let geometry = Geometry::compute(&set, &settings(&file)).unwrap();
            assert!(faults.failed() > 0);
            assert_eq!(distances(&geometry), whole, "{failing:?}");
            // The last save decides: what was kept before is there until the end.
            if failing == Failing::From(at) {
                assert!(geometry.unkept().is_some(), "{at}");
            }
            drop(faults);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}

#[test]
fn who_stops_a_run_is_told_that_it_was_not_kept() {
    let (set, folder) = (models(), tempfile::tempdir().unwrap());
    let file = folder.path().join("sums");
    let stopped = || {
        settings(&file).with_observer(|progress| {
            if progress.read > 4000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    };
    let faults = Faults::new(folder.path(), Failing::From(0), ENOSPC);
    let error = Geometry::compute(&set, &stopped()).unwrap_err();
    assert!(matches!(&error, Error::ResumeFileIo { path, .. } if *path == file), "{error}");
    drop(faults);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // On a sound disk it is kept, and a later fault leaves what was kept before.
    assert!(matches!(Geometry::compute(&set, &stopped()), Err(Error::Interrupted)));
    let kept = fs::read(&file).unwrap();
    let faults = Faults::new(folder.path(), Failing::From(0), EIO);
    assert!(Geometry::compute(&set, &stopped()).is_err());
    drop(faults);
    assert_eq!(fs::read(&file).unwrap(), kept);
    let whole = distances(&Geometry::compute(&set, &GeometrySettings::new()).unwrap());
    assert_eq!(distances(&Geometry::compute(&set, &settings(&file)).unwrap()), whole);
}
