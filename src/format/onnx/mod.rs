//! ONNX models: the initializers of their graphs, and the tensors of `Constant` nodes.
//!
//! <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto> defines the format.

mod dequantize;
mod graph;
mod numbers;
mod quantized;
mod tensor;
mod wire;

use super::elsewhere::{ByteOrder, Elsewhere};
use super::{Decode, Dtype, Format, Library, ParameterInfo, Quantization, Tensors, has_extension};
use crate::bytes::{Folder, ReadAt};
use crate::error::{ShardError, SourceError};
use dequantize::{Dequantize, SCALES_LIMIT};
use graph::Found;
use numbers::Numbers;
use quantized::{Pairs, Quantized};
use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::sync::Arc;
use tensor::{Kind, Place, Tensor};
use wire::Wire;

/// ONNX models: the initializers of the graph and of the graphs in it, and the tensors of `Constant` nodes.
///
/// Opening walks the description and takes the places of the values. A model of any size takes little memory. Tensors in further
/// files are read from there; those files must lie in the folder of the model. In nested graphs, a name begins with the
/// first output of the node that holds the graph.
///
/// Quantized tensors stand for the tensor that was quantized. This holds where a `DequantizeLinear` node gives their scale, or where the
/// tensors have the names that ONNX Runtime gives. Packed forms, such as that of `MatMulNBits`, are refused by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Onnx;

impl Format for Onnx {
    fn name(&self) -> &str {
        "onnx"
    }

    fn extensions(&self) -> &[&str] {
        &["onnx"]
    }

    fn recognizes(&self, name: &str, beginning: &[u8]) -> bool {
        match beginning {
            // The version of the format comes first, as field 1, and then a text: the producer or its version, or the domain.
            [8, 1..=31, 0x12 | 0x1a | 0x22 | 0x3a, ..] => true,
            _ => has_extension(name, self.extensions()),
        }
    }

    /// # Errors
    ///
    /// The errors of [`open_in`](Self::open_in), and [`SourceError::UnsupportedContent`] when values stand in further files.
    fn open(&self, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError> {
        Model::new(None, bytes).tensors()
    }

    /// # Errors
    ///
    /// [`SourceError::Malformed`] when the file is no such model; [`SourceError::Truncated`] and
    /// [`SourceError::SizeMismatch`] when a tensor does not fit its place; [`ShardError::Missing`] and
    /// [`ShardError::Outside`] for further files; [`SourceError::UnsupportedContent`] for weights that are not read.
    fn open_in(&self, tree: &dyn Folder, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError> {
        Model::new(Some(tree), bytes).tensors()
    }

    fn stem(&self, library: Library) -> Option<&str> {
        // The exporter of transformers writes this name, also into the parts of pipelines.
        (library == Library::Transformers).then_some("model")
    }
}

/// A model that is being opened.
struct Model<'a> {
    tree: Option<&'a dyn Folder>,
    bytes: Arc<dyn ReadAt>,
    /// The further files that are open, by their location.
    files: BTreeMap<String, Arc<dyn ReadAt>>,
}

/// A tensor whose place is checked.
struct Checked {
    shape: Vec<usize>,
    size: usize,
    dtype: Dtype,
    source: Source,
}

/// Where the values of a tensor come from.
enum Source {
    /// Plain numbers of the model's own file.
    Plain(u64),
    Decoded(Box<dyn Decode>),
}

impl<'a> Model<'a> {
    fn new(tree: Option<&'a dyn Folder>, bytes: Arc<dyn ReadAt>) -> Self {
        Self { tree, bytes, files: BTreeMap::new() }
    }

    fn refused(&self, reason: String) -> SourceError {
        SourceError::UnsupportedContent { path: self.bytes.path().to_owned(), format: "onnx".to_owned(), reason }
    }

    fn malformed(&self, reason: String) -> SourceError {
        SourceError::Malformed { path: self.bytes.path().to_owned(), format: "onnx".to_owned(), reason }
    }

    fn tensors(mut self) -> Result<Tensors, SourceError> {
        super::refuse_pointer(&*self.bytes)?;
        let found = graph::walk(&mut Wire::new(&*self.bytes))?;
        if let Some(operator) = &found.packed {
            return Err(
                self.refused(format!("its operator `{operator}` packs weights: export it without quantization"))
            );
        }
        if let Some(name) = &found.sparse {
            return Err(self.refused(format!("its initializer `{name}` is sparse: export it dense")));
        }
        let Pairs { quantized, companions } = quantized::pairs(&found);
        let mut tensors = Tensors::new(Arc::clone(&self.bytes));
        for (name, reason) in &found.left_out {
            tensors = tensors.with_left_out(name, reason);
        }
        for (at, tensor) in found.tensors.iter().enumerate() {
            if let Some(quantized) = quantized.get(&at) {
                tensors = self.with_quantized(tensors, &found, tensor, quantized)?;
                continue;
            }
            if companions.contains(&at) {
                tensors = tensors.with_left_out(&tensor.name, "it is a scale or zero point of other values");
                continue;
            }
            let dtype = match Kind::of(tensor.kind) {
                Kind::Known(dtype) => dtype,
                Kind::NoWeight(why) => {
                    tensors = tensors.with_left_out(&tensor.name, why);
                    continue;
                }
                Kind::Refused(what) => return Err(self.unknown(tensor, what)),
            };
            if quantized::is_named(&tensor.name) && dtype.size() == 1 {
                let reason = format!("tensor `{}` is quantized, but its scale is not there", tensor.name);
                return Err(self.refused(reason));
            }
            let Checked { shape, source, .. } = self.checked(tensor, dtype)?;
            tensors = match source {
                Source::Plain(begin) => tensors.with_tensor(&tensor.name, shape, dtype, begin)?,
                Source::Decoded(decode) => tensors.with_decoded(&tensor.name, shape, dtype, decode)?,
            };
        }
        Ok(tensors)
    }

    fn unknown(&self, tensor: &Tensor, what: &str) -> SourceError {
        self.refused(format!("tensor `{}` holds {what}: export it as FLOAT or FLOAT16", tensor.name))
    }

    /// Checks the shape of a tensor, and that its values are where they are said to be.
    fn checked(&mut self, tensor: &Tensor, dtype: Dtype) -> Result<Checked, SourceError> {
        let Tensor { name, place, .. } = tensor;
        let shape: Option<Vec<usize>> = tensor.shape.iter().map(|&d| usize::try_from(d).ok()).collect();
        let shape = shape.ok_or_else(|| self.malformed(format!("tensor `{name}` has shape {:?}", tensor.shape)))?;
        let path = || self.bytes.path().to_owned();
        let size = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let stored = size.and_then(|n| n.checked_mul(dtype.size()));
        let (Some(size), Some(stored)) = (size, stored) else {
            return Err(SourceError::ShapeOverflow { path: path(), tensor: name.clone(), shape });
        };
        let fits = |found: u64| match found == stored as u64 {
            true => Ok(()),
            false => {
                let (tensor, shape, dtype, expected) = (name.clone(), shape.clone(), dtype.to_string(), stored as u64);
                Err(SourceError::SizeMismatch { path: path(), tensor, shape, dtype, found, expected })
            }
        };
        let source = match place {
            Place::Nowhere if size == 0 => Source::Plain(0),
            Place::Nowhere => return Err(self.malformed(format!("tensor `{name}` has no values"))),
            Place::Scattered => {
                let reason = format!("tensor `{name}` has its values in several lists: save it with `onnx.save` again");
                return Err(self.refused(reason));
            }
            Place::Raw(range) => {
                fits(range.length())?;
                Source::Plain(range.begin)
            }
            Place::Numbers(range) => {
                let numbers = Numbers::new(Arc::clone(&self.bytes), *range, dtype, size);
                let lying = || self.malformed(format!("tensor `{name}` of {size} values has {} bytes", range.length()));
                Source::Decoded(Box::new(numbers.ok_or_else(lying)?))
            }
            Place::File { location, offset, length } => {
                fits(length.unwrap_or(stored as u64))?;
                let object = self.file(name, location)?;
                let expected = offset.saturating_add(stored as u64);
                if object.length() < expected {
                    let (path, found) = (object.path().to_owned(), object.length());
                    return Err(SourceError::Truncated { path, found, expected });
                }
                Source::Decoded(Box::new(Elsewhere::new(object, *offset, dtype, ByteOrder::Little)))
            }
        };
        Ok(Checked { shape, size, dtype, source })
    }

    /// Opens a further file, once.
    fn file(&mut self, tensor: &str, location: &str) -> Result<Arc<dyn ReadAt>, SourceError> {
        if let Some(file) = self.files.get(location) {
            return Ok(Arc::clone(file));
        }
        let Some(tree) = self.tree else {
            let reason = format!("the values of tensor `{tensor}` stand in `{location}`: give the model by its path");
            return Err(self.refused(reason));
        };
        let index = self.bytes.path().to_owned();
        // A hostile model must not lead to files outside its folder: no root, no `..`, no drive.
        let plain = Path::new(location).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if location.is_empty() || !plain {
            return Err(SourceError::Shards(ShardError::Outside { index, shard: location.to_owned() }));
        }
        let path = index.parent().unwrap_or(Path::new("")).join(location);
        let file = tree.open(&path).map_err(|error| match error {
            SourceError::NotFound { path } => SourceError::Shards(ShardError::Missing { index, shard: path }),
            other => other,
        })?;
        super::refuse_pointer(&*file)?;
        self.files.insert(location.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn with_quantized(
        &mut self,
        tensors: Tensors,
        found: &Found,
        tensor: &Tensor,
        quantized: &Quantized,
    ) -> Result<Tensors, SourceError> {
        let known = |tensor: &Tensor| match Kind::of(tensor.kind) {
            Kind::Known(dtype) => Ok(dtype),
            Kind::NoWeight(what) | Kind::Refused(what) => Err(what),
        };
        let dtype = known(tensor).map_err(|what| self.unknown(tensor, what))?;
        let scale = &found.tensors[quantized.scale];
        let into = known(scale).ok().filter(|d| matches!(d, Dtype::F32 | Dtype::F16 | Dtype::BF16));
        let Some(into) = into else {
            return Err(self.refused(format!("the scale `{}` of tensor `{}` is no float", scale.name, tensor.name)));
        };
        let zero = quantized.zero.map(|at| &found.tensors[at]);
        let values = self.checked(tensor, dtype)?;
        let scale = self.checked(scale, into)?;
        let zero = match zero {
            Some(zero) => {
                let dtype = known(zero).map_err(|what| self.unknown(zero, what))?;
                Some(self.checked(zero, dtype)?)
            }
            None => None,
        };
        let unfit = |why: &str| self.refused(format!("tensor `{}` is quantized, but {why}", tensor.name));
        if quantized.block > 0 {
            return Err(unfit("in blocks: export it with one scale for each tensor or channel"));
        }
        if zero.as_ref().is_some_and(|zero| zero.size != scale.size) || scale.size == 0 || scale.size > SCALES_LIMIT {
            return Err(unfit(&format!(
                "it has {} scales, and another number of zero points, or too many",
                scale.size
            )));
        }
        let axis = match axis(&values.shape, scale.size, quantized.axis) {
            Some(axis) => axis,
            None => {
                return Err(unfit(&format!("which axis of {:?} has {} scales is not known", values.shape, scale.size)));
            }
        };
        let inner = values.shape.iter().skip(axis + 1).product::<usize>().max(1);
        let stepped = dtype.is_integer();
        let method = Quantization::new(format!("ONNX {dtype}"));
        let boxed = |checked: Checked| -> Box<dyn Decode> {
            match checked.source {
                Source::Decoded(decode) => decode,
                Source::Plain(begin) => {
                    Box::new(Elsewhere::new(Arc::clone(&self.bytes), begin, checked.dtype, ByteOrder::Little))
                }
            }
        };
        let info = ParameterInfo::new(&quantized.name, values.shape.clone(), into).with_quantization(method);
        let scales = scale.size;
        let (values, scale, zero) = (boxed(values), boxed(scale), zero.map(boxed));
        // Plain places are checked when they are added; here the range is within a field, and so within the file.
        tensors.with_quantized(info, Dequantize { values, scale, zero, scales, inner, dtype: into, stepped })
    }
}

/// Returns the axis of a shape along which there are so many scales. `None` when it is not known, or does not fit.
fn axis(shape: &[usize], scales: usize, recorded: Option<i64>) -> Option<usize> {
    if scales == 1 {
        return Some(0);
    }
    let fits = |axis: &usize| shape.get(*axis) == Some(&scales);
    match recorded {
        Some(axis) if axis < 0 => shape.len().checked_sub(usize::try_from(axis.unsigned_abs()).ok()?).filter(fits),
        Some(axis) => usize::try_from(axis).ok().filter(fits),
        None => {
            let mut axes = (0..shape.len()).filter(fits);
            axes.next().filter(|_| axes.next().is_none())
        }
    }
}
