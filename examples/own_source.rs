//! A model in a format of one's own: implement `ParameterSource`, check it, use it like any other.
//!
//! The format here keeps each tensor in a text file, a number on each line.

use neural_phylogeny::format::{Dtype, ParameterInfo, check_range};
use neural_phylogeny::testing::check_parameter_source;
use neural_phylogeny::{ParameterSource, SourceError};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// A folder of text files, one for each tensor.
#[derive(Debug)]
struct TextFolder {
    /// File and element count of each tensor; a `BTreeMap` keeps names sorted, as the contract asks.
    tensors: BTreeMap<String, (PathBuf, usize)>,
}

impl TextFolder {
    fn open(folder: &Path) -> Result<Self, SourceError> {
        let io = |source| SourceError::Io { path: folder.to_owned(), source };
        let mut tensors = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let lines = fs::read_to_string(&path).map_err(io)?.lines().count();
            tensors.insert(name, (path, lines));
        }
        Ok(Self { tensors })
    }
}

impl ParameterSource for TextFolder {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        let info =
            |(name, (_, size)): (&String, &(PathBuf, usize))| ParameterInfo::new(name.as_str(), [*size], Dtype::F32);
        Ok(self.tensors.iter().map(info).collect())
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let (path, size) =
            self.tensors.get(name).ok_or_else(|| SourceError::UnknownParameter { parameter: name.to_owned() })?;
        check_range(name, *size, offset, out.len())?;
        let io = |source| SourceError::Io { path: path.clone(), source };
        let lines = BufReader::new(fs::File::open(path).map_err(io)?).lines().skip(offset);
        for (value, line) in out.iter_mut().zip(lines) {
            *value = line.map_err(io)?.trim().parse().map_err(|e| SourceError::Other {
                message: format!("{} holds something that is no number", path.display()),
                source: Some(Box::new(e)),
            })?;
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("fc.bias.txt"), "0.5\n-0.5\n")?;
    fs::write(folder.path().join("fc.weight.txt"), "1\n2\n3\n4\n")?;

    let model = TextFolder::open(folder.path())?;
    check_parameter_source(&model)?;
    for parameter in model.parameters()? {
        println!("{} {:?} {}", parameter.name, parameter.shape, parameter.dtype);
    }
    Ok(())
}
