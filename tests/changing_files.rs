//! Checkpoints that another program cuts while they are read.

use neural_phylogeny::format::SafetensorsFile;
use neural_phylogeny::geometry::{Geometry, GeometrySettings, Progress};
use neural_phylogeny::{Error, ModelSet, SourceError};
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize_to_file};
use std::fs::OpenOptions;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Once;

/// Two jobs of the pass and more.
const SHAPE: [usize; 2] = [700, 1000];

const LEFT: u64 = 1_000_000;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn write(path: &Path, factor: f32) -> Outcome {
    let bytes: Vec<u8> = (0..SHAPE[0] * SHAPE[1]).flat_map(|i| (factor * (i as f32).sin()).to_le_bytes()).collect();
    serialize_to_file([("w", TensorView::new(Dtype::F32, SHAPE.to_vec(), &bytes)?)], None, path)?;
    Ok(())
}

fn cut(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.set_len(LEFT)
}

/// Two models, of which the second is cut when `when` says so.
fn run(when: impl Fn(Progress) -> bool + Send + Sync + 'static) -> Outcome {
    let folder = tempfile::tempdir()?;
    let paths = ["a", "b"].map(|name| folder.path().join(name).with_extension("safetensors"));
    let mut builder = ModelSet::builder();
    for (path, factor) in paths.iter().zip([1.0, 1.1]) {
        write(path, factor)?;
        builder = builder.with_model(path.display().to_string(), SafetensorsFile::open(path)?);
    }
    let models = builder.build()?;
    let (cut_path, once) = (paths[1].clone(), Once::new());
    let observer = move |progress| {
        if when(progress) {
            once.call_once(|| cut(&cut_path).expect("a file that can be cut"));
        }
        ControlFlow::Continue(())
    };
    let settings = GeometrySettings::new().with_threads(1).with_observer(observer);
    let error = Geometry::compute(&models, &settings).expect_err("a file was cut");
    let Error::Source { model, source } = error else { return Err(error.into()) };
    let SourceError::Truncated { path, found, expected } = *source else { return Err(source.into()) };
    assert_eq!((model, path), (paths[1].display().to_string(), paths[1].clone()));
    assert_eq!(found, LEFT);
    assert!(expected > (4 * SHAPE[0] * SHAPE[1]) as u64);
    Ok(())
}

#[test]
fn a_file_cut_in_the_middle_of_the_pass_is_named() -> Outcome {
    run(|progress| progress.read > 0)
}

#[test]
fn a_file_cut_after_the_first_job_is_named() -> Outcome {
    run(|progress| 3 * progress.read > progress.total)
}
