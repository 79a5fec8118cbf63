//! Quantized models: packed codes, scales and zero points in, one float parameter of the original name and shape out.
//!
//! To add a scheme, add its file here and its line in the list [`SCHEMES`]. All other code uses this list.

mod awq;
mod bits;
mod bitsandbytes;
mod book;
mod config;
mod fp4;
mod gpt_oss;
mod gptq;
mod mlx;
mod numbers;
mod packed;
mod rows;
mod scaled;
mod search;
mod strips;
mod transposed;
mod unread;

pub(crate) use config::QuantizationConfig;

use super::{ParameterInfo, ParameterSource, check_range};
use crate::error::SourceError;
use crate::format::{Dtype, Quantization};
use search::Search;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A way to look for the tensors of one scheme.
type Scheme = fn(&mut Search<'_>) -> Result<(), SourceError>;

/// Every scheme that is read. Where two fit a tensor, the earlier one has it.
const SCHEMES: [Scheme; 9] = [
    unread::find,
    bitsandbytes::find,
    gptq::find,
    awq::find,
    packed::find,
    gpt_oss::find,
    fp4::find,
    mlx::find,
    scaled::find,
];

/// A reader of one quantized tensor.
trait Dequantize: Send + Sync + fmt::Debug {
    /// Fills `out` with what `measure` asks of consecutive elements. The range is checked, and not empty.
    fn decode(
        &self,
        source: &dyn ParameterSource,
        measure: Measure,
        offset: usize,
        out: &mut [f32],
    ) -> Result<(), SourceError>;

    /// Announces a read.
    fn prefetch(&self, source: &dyn ParameterSource, offset: usize, length: usize) {
        let _ = (source, offset, length);
    }
}

/// What is computed of each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Values,
    /// The mean square of what rounding to the element's code has changed.
    SquaredErrors,
}

/// A model whose quantized tensors are read as floats.
///
/// It stands over another source, which has the tensors as they are stored: packed codes and their companions, such as scales
/// and zero points. Each quantized tensor is one parameter of its original name and shape, and its companions are no
/// parameters. Tensors that are not quantized are those of the other source.
///
/// # What is read
///
/// GPTQ, AWQ, bitsandbytes, compressed-tensors, ModelOpt, gpt-oss, MLX, and 8-bit values with scales. `docs/formats.md` has the
/// tensors and the formula of each. A scheme is recognized by the names, dtypes and shapes of its tensors; a configuration
/// decides only what these leave open. Known methods that are not read, and packed integers of unknown methods, are
/// [`SourceError::UnsupportedContent`].
///
/// # Values
///
/// Values are computed in f32, in the order of operations of each method's reference. They are as precise as f32, so their
/// dtype is F32, whatever the model was quantized from. The rounding error is estimated from 65,536 values of each tensor, under
/// the assumption that values are spread evenly around their codes.
///
/// # Complexity
///
/// A read decodes what it returns. Memory: some bytes for each value of one piece, and at most 128 MiB for all models of the
/// process, in which parts of tensors that are stored transposed are kept between reads.
///
/// ```
/// use neural_phylogeny::bytes::MemoryFile;
/// use neural_phylogeny::format::{Dtype, Tensors};
/// use neural_phylogeny::ParameterSource;
/// use neural_phylogeny::source::Dequantized;
/// use std::sync::Arc;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Two rows of 8-bit integers, and the scale of each.
/// let bytes = [[1, 2, 255, 4].to_vec(), 0.5f32.to_le_bytes().to_vec(), 2f32.to_le_bytes().to_vec()].concat();
/// let stored = Tensors::new(Arc::new(MemoryFile::new("a", bytes)))
///     .with_tensor("fc.weight", [2, 2], Dtype::I8, 0)?
///     .with_tensor("fc.weight_scale", [2, 1], Dtype::F32, 4)?;
///
/// let model = Dequantized::over(stored, "a")?;
/// let parameters = model.parameters()?;
/// assert_eq!(parameters.len(), 1);
/// assert_eq!(parameters[0].quantization.as_ref().map(|q| q.method()), Some("INT8, a scale for each row"));
/// let mut values = [0.0; 4];
/// model.read("fc.weight", 0, &mut values)?;
/// assert_eq!(values, [0.5, 1.0, -2.0, 8.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Dequantized {
    source: Arc<dyn ParameterSource>,
    /// Every tensor that is not a piece of a quantized one.
    tensors: BTreeMap<String, Tensor>,
}

/// One tensor of the resulting model.
#[derive(Debug)]
enum Tensor {
    Plain(ParameterInfo),
    Quantized(Quantized),
}

/// A quantized tensor.
#[derive(Debug)]
struct Quantized {
    shape: Vec<usize>,
    method: Quantization,
    /// The product of the shape, which has been checked to fit.
    size: usize,
    decode: Box<dyn Dequantize>,
}

/// Number of values in one sample of a tensor's rounding errors, and number of samples.
const SAMPLE: (usize, usize) = (1 << 12, 16);

impl Dequantized {
    /// Looks for quantized tensors among those of a source. `path` is what errors name.
    ///
    /// # Errors
    ///
    /// [`SourceError::UnsupportedContent`] for a method that is not read; [`SourceError::Malformed`] when the tensors of a known
    /// method do not fit each other; any error of the source.
    pub fn over(source: impl ParameterSource + 'static, path: impl AsRef<Path>) -> Result<Self, SourceError> {
        let source: Arc<dyn ParameterSource> = Arc::new(source);
        Ok(match Self::find(&source, path.as_ref(), &QuantizationConfig::default)? {
            Some(found) => found,
            None => {
                let plain = |info: ParameterInfo| (info.name.clone(), Tensor::Plain(info));
                let tensors = source.parameters()?.into_iter().map(plain).collect();
                Self { source, tensors }
            }
        })
    }

    /// Looks for quantized tensors among those of a source. `None` when there are none.
    ///
    /// `config` is called only when dtypes allow that there are some.
    pub(crate) fn find(
        source: &Arc<dyn ParameterSource>,
        path: &Path,
        config: &dyn Fn() -> QuantizationConfig,
    ) -> Result<Option<Self>, SourceError> {
        let infos = source.parameters()?;
        // Codes are integers, 8-bit floats or parts of bytes. Most models have floats of at least 16 bits alone.
        if infos.iter().all(|info| info.dtype == Dtype::Bool || info.dtype.is_float() && info.dtype.size() > 1) {
            return Ok(None);
        }
        let config = config();
        let mut search = Search::new(&**source, path, &config, infos);
        for scheme in SCHEMES {
            scheme(&mut search)?;
        }
        unread::refuse_rest(&mut search)?;
        let Some(tensors) = search.finish() else { return Ok(None) };
        Ok(Some(Self { source: Arc::clone(source), tensors }))
    }

    fn tensor(&self, name: &str) -> Result<&Tensor, SourceError> {
        self.tensors.get(name).ok_or_else(|| SourceError::UnknownParameter { parameter: name.to_owned() })
    }
}

impl ParameterSource for Dequantized {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        let info = |(name, tensor): (&String, &Tensor)| match tensor {
            Tensor::Plain(info) => info.clone(),
            Tensor::Quantized(quantized) => {
                let info = ParameterInfo::new(name.as_str(), quantized.shape.as_slice(), Dtype::F32);
                info.with_quantization(quantized.method.clone())
            }
        };
        Ok(self.tensors.iter().map(info).collect())
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let Tensor::Quantized(quantized) = self.tensor(name)? else { return self.source.read(name, offset, out) };
        check_range(name, quantized.size, offset, out.len())?;
        // A decoder need not handle an empty range.
        if out.is_empty() {
            return Ok(());
        }
        quantized.decode.decode(&*self.source, Measure::Values, offset, out)
    }

    fn read_bytes(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<(), SourceError> {
        match self.tensor(name)? {
            Tensor::Plain(_) => self.source.read_bytes(name, offset, out),
            Tensor::Quantized(_) => Err(SourceError::NoBytes { parameter: name.to_owned() }),
        }
    }

    fn rounding(&self, name: &str) -> Result<Option<f64>, SourceError> {
        let Tensor::Quantized(quantized) = self.tensor(name)? else { return self.source.rounding(name) };
        let (length, count) = SAMPLE;
        let mut errors = vec![0.0; length.min(quantized.size)];
        let (mut sum, mut values) = (0.0, 0);
        let samples = quantized.size.div_ceil(length.max(1)).min(count);
        for sample in 0..samples {
            // The samples lie evenly: the first at the beginning, the last at the end.
            let room = (quantized.size - errors.len()) as u128;
            let offset = (room * sample as u128 / (samples.max(2) - 1) as u128) as usize;
            quantized.decode.decode(&*self.source, Measure::SquaredErrors, offset, &mut errors)?;
            sum += errors.iter().map(|&error| f64::from(error)).sum::<f64>();
            values += errors.len();
        }
        Ok((values > 0).then(|| (sum / values as f64).sqrt()))
    }

    fn left_out(&self) -> Vec<(String, String)> {
        self.source.left_out()
    }

    fn prefetch(&self, name: &str, offset: usize, length: usize) {
        match self.tensors.get(name) {
            Some(Tensor::Plain(_)) => self.source.prefetch(name, offset, length),
            Some(Tensor::Quantized(quantized)) if check_range(name, quantized.size, offset, length).is_ok() => {
                quantized.decode.prefetch(&*self.source, offset, length);
            }
            _ => {}
        }
    }
}
