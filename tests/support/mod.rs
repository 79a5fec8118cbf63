//! Hand-made files for the tests of sources; each test uses some of it.
#![allow(dead_code)]

use neural_phylogeny::model_set::Skipped;
use neural_phylogeny::{ParameterSource, SourceError};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) type TestResult = Result<(), Box<dyn Error>>;

/// A file: length of the header, header, data.
pub(crate) fn bytes(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

/// A well-formed file of F32 tensors.
pub(crate) fn f32_file(tensors: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut entries = Vec::new();
    for (name, shape, values) in tensors {
        let begin = data.len();
        data.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        let end = data.len();
        entries.push(format!(r#""{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{begin},{end}]}}"#));
    }
    bytes(&format!("{{{}}}", entries.join(",")), &data)
}

/// Writes a file, and the folders it is in.
pub(crate) fn write(folder: &Path, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("scratch folders can be made");
    fs::write(&path, contents).expect("scratch files can be written");
    path
}

/// Every value of a tensor.
pub(crate) fn values(source: &dyn ParameterSource, name: &str) -> Result<Vec<f32>, SourceError> {
    let size = source.parameters()?.iter().find(|p| p.name == name).map_or(0, |p| p.size());
    let mut out = vec![0.0; size];
    source.read(name, 0, &mut out)?;
    Ok(out)
}

/// An error and its causes, with the scratch folder written as `DIR`.
pub(crate) fn text(error: &SourceError, folder: &Path) -> String {
    Skipped::new("", error).reason.replace(&folder.display().to_string(), "DIR")
}
