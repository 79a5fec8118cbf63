//! A model whose files hold a part of each tensor: tensor parallelism as Meta publishes it.

use super::{ParameterInfo, ParameterSource};
use crate::bytes::{Folder, Listing, json};
use crate::error::{ShardError, SourceError};
use crate::format::{FilePart, Formats, Tensors, check_range, slice_name};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Along which dimension the tensors of a layout are split, by the end of their name.
///
/// Source: `ColumnParallelLinear` and `RowParallelLinear` in Meta's `llama/model.py`.
const SPLIT: [(&str, Split); 15] = [
    ("attention.wq.weight", Split::Rows),
    ("attention.wk.weight", Split::Rows),
    ("attention.wv.weight", Split::Rows),
    ("attention.wo.weight", Split::Columns),
    ("feed_forward.w1.weight", Split::Rows),
    ("feed_forward.w2.weight", Split::Columns),
    ("feed_forward.w3.weight", Split::Rows),
    ("attention.q_norm.weight", Split::Whole),
    ("attention.k_norm.weight", Split::Whole),
    ("attention_norm.weight", Split::Whole),
    ("ffn_norm.weight", Split::Whole),
    ("norm.weight", Split::Whole),
    ("rope.freqs", Split::Whole),
    ("output.weight", Split::Rows),
    // Llama 1 and 2 split the columns, later ones the rows.
    ("tok_embeddings.weight", Split::ByWidth),
];

/// How a tensor is split.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Split {
    /// Every file has all of it.
    Whole,
    Rows,
    Columns,
    /// By columns, unless each part has the width of the model.
    ByWidth,
}

/// A model in several files that each hold a part of each tensor.
#[derive(Debug)]
pub(crate) struct Slices {
    files: Vec<Tensors>,
    tensors: BTreeMap<String, Joined>,
}

/// A tensor and how it is put together.
#[derive(Debug)]
struct Joined {
    info: ParameterInfo,
    split: Split,
}

/// What Meta writes beside the weights.
#[derive(Deserialize)]
struct Params {
    dim: Option<usize>,
    vocab_size: Option<i64>,
}

impl Slices {
    /// Opens all slices of a model, given one of them. A slice that is alone is the whole model.
    ///
    /// # Errors
    ///
    /// [`ShardError::Missing`] when a number is missing; [`SourceError::UnsupportedContent`] when the layout does not
    /// tell how a tensor is split; any error that the format finds in a slice.
    pub(crate) fn open_in(
        tree: &dyn Folder,
        formats: &Formats,
        path: &Path,
    ) -> Result<Arc<dyn ParameterSource>, SourceError> {
        let paths = slices_beside(tree, formats, path)?;
        let files = paths.iter().map(|path| formats.open(tree, path)).collect::<Result<Vec<_>, _>>()?;
        match <[Tensors; 1]>::try_from(files) {
            Ok([whole]) => Ok(Arc::new(whole)),
            Err(files) => {
                let params = tree.open(&path.with_file_name("params.json")).ok();
                let params = params.map(|bytes| json::read::<Params>(&*bytes, json::CONFIGURATION)).transpose()?;
                Ok(Arc::new(Self::joined(files, params)?))
            }
        }
    }

    fn joined(files: Vec<Tensors>, params: Option<Params>) -> Result<Self, SourceError> {
        let first = &files[0];
        let width = match &params {
            Some(Params { dim: Some(dim), .. }) => Some(*dim),
            _ => first.tensor("norm.weight").and_then(|(shape, _)| shape.first().copied()),
        };
        let mut tensors = BTreeMap::new();
        for info in first.infos() {
            let refuse = |reason: String| Err(unsupported(first.path(), &info.name, &reason));
            for other in &files[1..] {
                if other.tensor(&info.name) != first.tensor(&info.name) {
                    return refuse(format!("{} has no part of the same shape", other.path().display()));
                }
            }
            let end = SPLIT.iter().find(|(end, _)| ends_with(&info.name, end));
            let split = match (end.map(|(_, split)| *split), &info.shape[..]) {
                (Some(Split::Whole), _) => Split::Whole,
                (Some(Split::ByWidth), [_, columns]) if Some(*columns) == width => Split::Rows,
                (Some(Split::ByWidth), [_, columns])
                    if width.is_some() && columns.checked_mul(files.len()) == width =>
                {
                    Split::Columns
                }
                (Some(Split::ByWidth), [..]) => {
                    return refuse(format!("no {} parts of it have the model's width", files.len()));
                }
                (Some(split), [_, _]) => split,
                _ => return refuse("along which dimension it is split is not known".to_owned()),
            };
            let Some(shape) = joined_shape(&info, split, files.len()) else {
                let (path, tensor, shape) = (first.path().to_owned(), info.name.clone(), info.shape.clone());
                return Err(SourceError::ShapeOverflow { path, tensor, shape });
            };
            if let Some(Params { vocab_size: Some(rows @ 1..), .. }) = params
                && info.name == "output.weight"
                && shape[0] as i64 != rows
            {
                return refuse(format!(
                    "{} parts of it have {} rows, `params.json` says {rows}",
                    files.len(),
                    shape[0]
                ));
            }
            let info = ParameterInfo::new(info.name.as_str(), shape, info.dtype);
            tensors.insert(info.name.clone(), Joined { info, split });
        }
        for other in &files[1..] {
            if let Some(name) = other.names().find(|name| !tensors.contains_key(*name)) {
                return Err(unsupported(other.path(), name, &format!("{} has no part of it", first.path().display())));
            }
        }
        Ok(Self { files, tensors })
    }

    fn known(&self, name: &str) -> Result<&Joined, SourceError> {
        self.tensors.get(name).ok_or_else(|| SourceError::UnknownParameter { parameter: name.to_owned() })
    }

    /// Calls `read` for each run of rows of each file: the file, the range in it, and where its first element goes.
    ///
    /// `unit` is how many of the caller's elements one number is.
    fn gather<T: Copy + Default>(
        &self,
        name: &str,
        unit: usize,
        offset: usize,
        out: &mut [T],
        read: impl Fn(&Tensors, usize, &mut [T]) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let Joined { info, split } = self.known(name)?;
        let size = info.shape.iter().product::<usize>() * unit;
        check_range(name, size, offset, out.len())?;
        let columns = match split {
            Split::Columns => info.shape[1] * unit,
            // The parts follow one another.
            Split::Rows => {
                let part = size / self.files.len();
                let mut done = 0;
                while done < out.len() {
                    let at = offset + done;
                    let length = (part - at % part).min(out.len() - done);
                    read(&self.files[at / part], at % part, &mut out[done..done + length])?;
                    done += length;
                }
                return Ok(());
            }
            Split::Whole | Split::ByWidth => return read(&self.files[0], offset, out),
        };
        if out.is_empty() {
            return Ok(());
        }
        // Each row is a run of every file. The rows that are needed are read from each file at once.
        let width = columns / self.files.len();
        let (end, mut rows) = (offset + out.len(), Vec::new());
        for (number, file) in self.files.iter().enumerate() {
            // Which elements of the file lie in the range: from `begin` on, before `stop`.
            let place = |at: usize| at / columns * width + (at % columns).saturating_sub(number * width).min(width);
            let (begin, stop) = (place(offset), place(end));
            rows.clear();
            rows.resize(stop - begin, T::default());
            read(file, begin, &mut rows)?;
            let mut at = begin;
            while at < stop {
                let length = (width - at % width).min(stop - at);
                let target = at / width * columns + number * width + at % width - offset;
                out[target..target + length].copy_from_slice(&rows[at - begin..at - begin + length]);
                at += length;
            }
        }
        Ok(())
    }
}

impl ParameterSource for Slices {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        Ok(self.tensors.values().map(|joined| joined.info.clone()).collect())
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        self.gather(name, 1, offset, out, |file, offset, out| file.read(name, offset, out))
    }

    fn read_bytes(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<(), SourceError> {
        let unit = self.known(name)?.info.dtype.size();
        self.gather(name, unit, offset, out, |file, offset, out| file.read_bytes(name, offset, out))
    }

    fn left_out(&self) -> Vec<(String, String)> {
        self.files.iter().take(1).flat_map(ParameterSource::left_out).collect()
    }
}

/// Returns the shape of a tensor whose parts have the shape of `part`. `None` when its bytes cannot be counted.
///
/// A part may be a view that repeats one value, so that its shape says nothing about the length of its file.
fn joined_shape(part: &ParameterInfo, split: Split, count: usize) -> Option<Vec<usize>> {
    let mut shape = part.shape.clone();
    match split {
        Split::Rows => shape[0] = shape[0].checked_mul(count)?,
        Split::Columns => shape[1] = shape[1].checked_mul(count)?,
        Split::Whole | Split::ByWidth => {}
    }
    shape.iter().try_fold(part.dtype.size(), |bytes, &d| bytes.checked_mul(d)).map(|_| shape)
}

/// Whether a name ends in whole parts like this.
fn ends_with(name: &str, end: &str) -> bool {
    name.strip_suffix(end).is_some_and(|begin| begin.is_empty() || begin.ends_with('.'))
}

/// Returns the paths of all slices of a model, in the order of their numbers.
fn slices_beside(tree: &dyn Folder, formats: &Formats, path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(own) = formats.parse(&name) else { return Ok(vec![path.to_owned()]) };
    let listing = Listing::read(tree, folder)?;
    let mut numbers: Vec<u32> = listing
        .files
        .iter()
        .filter_map(|file| formats.parse(&file.name))
        .filter(|other| other.stem == own.stem && other.extension == own.extension)
        .filter_map(|other| match other.part {
            FilePart::Slice { number } => Some(number),
            _ => None,
        })
        .collect();
    numbers.sort_unstable();
    let path_of = |number| folder.join(slice_name(&own.stem, own.extension, number));
    match (0..).zip(&numbers).find(|(expected, number)| expected != *number) {
        Some((missing, _)) => {
            Err(SourceError::Shards(ShardError::Missing { index: folder.to_owned(), shard: path_of(missing) }))
        }
        None => Ok(numbers.into_iter().map(path_of).collect()),
    }
}

fn unsupported(path: &Path, tensor: &str, reason: &str) -> SourceError {
    SourceError::UnsupportedContent {
        path: path.to_owned(),
        format: "tensor-parallel".to_owned(),
        reason: format!("tensor `{tensor}` cannot be joined: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemoryFile;
    use crate::format::Dtype;

    #[test]
    fn a_shape_that_cannot_be_joined_is_an_error() -> Result<(), SourceError> {
        let slice = |rows| {
            let tensors = Tensors::new(Arc::new(MemoryFile::new("consolidated.00.pth", [0; 8])));
            tensors.with_tensor("output.weight", [rows, 0], Dtype::F32, 0)
        };
        assert!(Slices::joined(vec![slice(2)?, slice(2)?], None).is_ok());
        // A dimension that is 0 hides any other.
        let error = Slices::joined(vec![slice(usize::MAX / 2 + 1)?, slice(usize::MAX / 2 + 1)?], None).unwrap_err();
        assert!(matches!(error, SourceError::ShapeOverflow { .. }), "{error}");
        Ok(())
    }
}
