//! Arrays of NumPy, ONNX, Keras and Flax, on files that the libraries of these formats wrote: `tests/data/formats/make_arrays.py`.
// Each format uses some of it.
#![allow(dead_code)]

mod damage;
#[cfg(feature = "flax")]
mod flax;
#[cfg(feature = "keras")]
mod keras;
#[cfg(feature = "npz")]
mod numpy;
#[cfg(feature = "onnx")]
mod onnx;

use neural_phylogeny::bytes::{LocalFile, LocalFolder, MemoryFile, ReadAt};
use neural_phylogeny::discover::{DiscoveredModel, Discovery};
use neural_phylogeny::format::{Format, ParameterInfo, Safetensors, Tensors};
use neural_phylogeny::{ParameterSource, SourceError};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type TestResult = Result<(), Box<dyn Error>>;

fn data(name: &str) -> PathBuf {
    let here = option_env!("FORMATS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats"), PathBuf::from);
    here.join(name)
}

fn open(format: &dyn Format, path: &Path) -> Result<Tensors, SourceError> {
    format.open_in(&LocalFolder, Arc::new(LocalFile::open(path)?))
}

fn in_memory(format: &dyn Format, name: &str, bytes: Vec<u8>) -> Result<Tensors, SourceError> {
    format.open(Arc::new(MemoryFile::new(name, bytes)) as Arc<dyn ReadAt>)
}

/// Checks that a file has exactly the tensors that its own library reads from it, bit for bit, read in ranges of all kinds.
fn same_as_reference(source: &dyn ParameterSource, reference: &Path) -> TestResult {
    let expected = open(&Safetensors, reference)?;
    let listed: Vec<_> = expected.infos().collect();
    let plain = |info: ParameterInfo| (info.name, info.shape, info.dtype);
    let found: Vec<_> = source.parameters()?.into_iter().map(plain).collect();
    assert_eq!(found, listed.iter().cloned().map(plain).collect::<Vec<_>>(), "{}", reference.display());
    for info in listed {
        let size = info.size();
        let (mut found, mut wanted) = (vec![0.0; size], vec![0.0; size]);
        expected.read(&info.name, 0, &mut wanted)?;
        source.read(&info.name, 0, &mut found)?;
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&found), bits(&wanted), "{} of {}", info.name, reference.display());
        // Forwards in pieces, then backwards: a decoder that keeps its place must not depend on it.
        for piece in [1, 7, 64] {
            let mut ranges: Vec<usize> = (0..size).step_by(piece).collect();
            for _ in 0..2 {
                for &begin in &ranges {
                    let mut some = vec![0.0; piece.min(size - begin)];
                    source.read(&info.name, begin, &mut some)?;
                    assert_eq!(bits(&some), bits(&wanted[begin..begin + some.len()]), "{} from {begin}", info.name);
                }
                ranges.reverse();
            }
        }
    }
    Ok(())
}

/// The models that a search finds in a folder.
fn found(folder: &Path) -> Result<Vec<DiscoveredModel>, SourceError> {
    Ok(Discovery::new().search([folder])?.models)
}

/// The reference of a file.
fn reference(name: &str) -> PathBuf {
    data(&format!("{name}.expected.safetensors"))
}
