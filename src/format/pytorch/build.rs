//! From the objects of a pickle to the list of tensors of a file.

use super::archive::Range;
use super::element::Element;
use super::flatten::{self, Flat, Unlisted};
use super::heap::{Heap, Object, Tensor, Value};
use super::holds::Holds;
use super::strided::Strided;
use super::{choose, malformed, unsupported};
use crate::bytes::ReadAt;
use crate::error::SourceError;
use crate::format::{Dtype, Tensors};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// How many times more values than bytes a view may have. An expanded view repeats its values, and a hostile one for ever.
const REPEATS: u64 = 256;

/// Most globals that an error names.
const GLOBALS: usize = 4;

/// The weights of a checkpoint.
#[derive(Debug)]
pub(super) struct Weights<'h> {
    heap: &'h Heap,
    tensors: BTreeMap<String, &'h Tensor>,
    left_out: Vec<(String, String)>,
}

impl<'h> Weights<'h> {
    /// Finds the weights below the root of a pickle.
    pub(super) fn find(path: &Path, heap: &'h Heap, holds: &'h Holds, root: Value) -> Result<Self, SourceError> {
        if choose::is_optimizer(heap, root) {
            return Err(unsupported(path, "it holds the state of an optimizer and no weights".to_owned()));
        }
        let choose::Chosen { weights, without, mut left_out } = choose::weights(heap, holds, root);
        let Flat { mut tensors, refused } =
            flatten::tensors(heap, holds, weights, &without).map_err(|unlisted| match unlisted {
                Unlisted::Hostile(reason) => malformed(path, reason),
                Unlisted::Twice(tensor) => SourceError::DuplicateTensor { path: path.to_owned(), tensor },
                Unlisted::Unknown { name, global } => {
                    let reason = format!("`{name}` is an object of `{global}`, which is not known; {SAVE}");
                    unsupported(path, reason)
                }
            })?;
        for (name, what) in refused {
            // A tensor without values holds no weights.
            if !what.contains("without values") {
                return Err(unsupported(path, format!("tensor `{name}` is {what}, which is not read; {SAVE}")));
            }
            left_out.push((name, what));
        }
        for (name, tensor) in &tensors {
            match tensor.element {
                Element::Scales => left_out.push((name.clone(), "scales of blocks in F8_E8M0".to_owned())),
                Element::Other { name: dtype, .. } => {
                    let (tensor, dtype) = (name.clone(), dtype.to_owned());
                    return Err(SourceError::UnsupportedDtype { path: path.to_owned(), tensor, dtype });
                }
                _ => {}
            }
        }
        tensors.retain(|_, tensor| tensor.element != Element::Scales);
        if tensors.is_empty() {
            return Err(unsupported(path, none(heap, &left_out)));
        }
        if tensors.values().all(|tensor| tensor.shape.contains(&0)) {
            let reason = "every tensor of it is empty, as DeepSpeed ZeRO-3 leaves them; join its pieces with \
                          `python zero_to_fp32.py DIR pytorch_model.bin`";
            return Err(unsupported(path, reason.to_owned()));
        }
        Ok(Self { heap, tensors, left_out })
    }

    /// Returns the keys of the storages that are needed, each once.
    pub(super) fn storages(&self) -> impl Iterator<Item = &'h str> {
        let keys: HashSet<&str> = self.tensors.values().map(|tensor| self.heap.text(tensor.storage.key)).collect();
        keys.into_iter()
    }

    /// Adds every tensor, given where each storage is.
    pub(super) fn place(
        self,
        bytes: &Arc<dyn ReadAt>,
        ranges: &HashMap<String, Range>,
        big_endian: bool,
    ) -> Result<Tensors, SourceError> {
        let mut found = Tensors::new(Arc::clone(bytes));
        for (name, reason) in self.left_out {
            found = found.with_left_out(name, reason);
        }
        for (name, tensor) in self.tensors {
            let key = self.heap.text(tensor.storage.key);
            let reason = |what: String| malformed(bytes.path(), format!("tensor `{name}` {what}"));
            let range =
                ranges.get(key).ok_or_else(|| reason(format!("has no storage: expected an entry `data/{key}`")))?;
            let begin = begin_of(tensor, *range, bytes.length()).map_err(reason)?;
            found = add(found, name, tensor, begin, big_endian)?;
        }
        Ok(found)
    }
}

/// What a user can do about weights that are not read.
const SAVE: &str =
    "load the file where its library is installed and save plain tensors with `torch.save(model.state_dict(), NEW)`";

/// Returns the byte of the object at which a tensor begins. An error is what is wrong with the tensor.
fn begin_of(tensor: &Tensor, range: Range, file: u64) -> Result<u64, String> {
    let size = tensor.element.size() as u64;
    let overflow = || "has more elements than can be counted".to_owned();
    let count = tensor.shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64)).ok_or_else(overflow)?;
    if count == 0 {
        return Ok(range.begin);
    }
    let mut last = tensor.offset;
    for (&size, &stride) in tensor.shape.iter().zip(&tensor.strides).filter(|(size, _)| **size > 1) {
        let reach = (size as u64 - 1).checked_mul(stride);
        last = reach.and_then(|reach| last.checked_add(reach)).ok_or_else(overflow)?;
    }
    let last = last.checked_add(tensor.storage.offset).ok_or_else(overflow)?;
    let found = range.length / size;
    if last >= found {
        return Err(format!("ends at element {last} of its storage, which has {found}"));
    }
    if count / REPEATS > file {
        return Err(format!("has {count} values in a file of {file} bytes"));
    }
    // This cannot overflow: the last element lies in the storage.
    Ok(range.begin + (tensor.offset + tensor.storage.offset) * size)
}

/// Adds a tensor, as plain values where they stand one after another.
fn add(found: Tensors, name: String, tensor: &Tensor, begin: u64, big_endian: bool) -> Result<Tensors, SourceError> {
    let (mut shape, mut strides) = (tensor.shape.clone(), tensor.strides.clone());
    let dtype = match tensor.element {
        Element::Plain(dtype) => dtype,
        Element::Complex(dtype) => {
            // As `torch.view_as_real`: a complex number is two numbers, and their dimension is the last.
            strides.iter_mut().for_each(|stride| *stride = stride.saturating_mul(2));
            shape.push(2);
            strides.push(1);
            dtype
        }
        // These have been refused or left out.
        Element::Scales | Element::Untyped | Element::Other { .. } => Dtype::U8,
    };
    let mut expected = 1u64;
    let contiguous = shape.iter().zip(&strides).rev().all(|(&size, &stride)| {
        let fits = size == 1 || stride == expected;
        expected = expected.saturating_mul(size as u64);
        fits
    });
    if shape.contains(&0) || contiguous && (!big_endian || dtype.size() == 1) {
        return found.with_tensor(name, shape, dtype, begin);
    }
    let decode = Strided::new(dtype, begin, &shape, &strides, big_endian);
    found.with_decoded(name, shape, dtype, decode)
}

/// Returns why a file has no weights.
fn none(heap: &Heap, left_out: &[(String, String)]) -> String {
    let mut globals: Vec<&str> = heap
        .iter()
        .filter_map(|object| match object {
            Object::Instance(instance) => Some(heap.text(instance.global)),
            _ => None,
        })
        .collect();
    globals.sort_unstable();
    globals.dedup();
    let more = globals.len().saturating_sub(GLOBALS);
    let named: Vec<String> = globals.iter().take(GLOBALS).map(|global| format!("`{global}`")).collect();
    let and = if more > 0 { format!(" and {more} more") } else { String::new() };
    match (left_out, &named[..]) {
        ([(name, reason), ..], _) => format!("it holds no weights; `{name}` is {reason}"),
        (_, []) => "it holds no tensors".to_owned(),
        _ => format!("it holds no tensors but objects of {}{and}, which are not known; {SAVE}", named.join(", ")),
    }
}
