//! Quantized tensors as what they stand for: `(value - zero point) * scale`.
//!
//! <https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html> defines it.

use crate::bytes::ReadAt;
use crate::error::SourceError;
use crate::format::{Decode, Dtype};
use half::{bf16, f16};

/// Most scales of a tensor. They are read with each range of values.
pub(super) const SCALES_LIMIT: usize = 1 << 20;

/// A reader of a quantized tensor.
#[derive(Debug)]
pub(super) struct Dequantize {
    pub(super) values: Box<dyn Decode>,
    pub(super) scale: Box<dyn Decode>,
    pub(super) zero: Option<Box<dyn Decode>>,
    /// How many scales there are: one, or one for each index of the axis.
    pub(super) scales: usize,
    /// Values from one index of the axis to the next.
    pub(super) inner: usize,
    /// The dtype of the scale, to which values are rounded.
    pub(super) dtype: Dtype,
    /// Whether the values are multiples of the scale.
    pub(super) stepped: bool,
}

impl Dequantize {
    fn all(&self, bytes: &dyn ReadAt, of: &dyn Decode) -> Result<Vec<f32>, SourceError> {
        let mut all = vec![0.0; self.scales];
        of.decode(bytes, 0, &mut all)?;
        Ok(all)
    }
}

impl Decode for Dequantize {
    fn decode(&self, bytes: &dyn ReadAt, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let scale = self.all(bytes, &*self.scale)?;
        let zero = self.zero.as_ref().map(|zero| self.all(bytes, &**zero)).transpose()?;
        self.values.decode(bytes, offset, out)?;
        // Runs of one scale, so that the inner loop has no division.
        let mut at = offset;
        let mut rest = &mut *out;
        while !rest.is_empty() {
            let channel = at / self.inner % self.scales;
            let run = if self.scales == 1 { rest.len() } else { (self.inner - at % self.inner).min(rest.len()) };
            let (now, later) = rest.split_at_mut(run);
            let (scale, zero) = (scale[channel], zero.as_ref().map_or(0.0, |zero| zero[channel]));
            now.iter_mut().for_each(|value| *value = (*value - zero) * scale);
            at += run;
            rest = later;
        }
        match self.dtype {
            Dtype::F16 => out.iter_mut().for_each(|value| *value = f16::from_f32(*value).to_f32()),
            Dtype::BF16 => out.iter_mut().for_each(|value| *value = bf16::from_f32(*value).to_f32()),
            _ => {}
        }
        Ok(())
    }

    fn prefetch(&self, bytes: &dyn ReadAt, offset: usize, length: usize) {
        self.values.prefetch(bytes, offset, length);
    }

    /// A value lies anywhere within its step with the same chance, so that the error has the variance step²/12.
    fn rounding(&self, bytes: &dyn ReadAt) -> Result<Option<f64>, SourceError> {
        if !self.stepped {
            return Ok(None);
        }
        let scale = self.all(bytes, &*self.scale)?;
        let squares: f64 = scale.iter().map(|&s| f64::from(s).powi(2)).sum();
        Ok(Some((squares / self.scales as f64 / 12.0).sqrt()))
    }
}
