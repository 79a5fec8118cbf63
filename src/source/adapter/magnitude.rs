//! Weights that are rescaled to stored magnitudes (DoRA): each output of W + s·B·A gets the norm that was trained for it.

use crate::error::SourceError;
use crate::source::ParameterSource;
use std::sync::{Arc, Mutex, PoisonError};

/// Elements of the weight that are in memory at a time while norms are computed.
const HELD: usize = 1 << 16;

/// The magnitudes of one weight, one for each output or for each input.
///
/// The first read computes the factor of each output by streaming the whole weight once. The factors are kept: eight bytes for
/// each magnitude.
#[derive(Debug)]
pub(super) struct Magnitude {
    pub(super) tensor: String,
    /// Number of elements of the weight.
    size: usize,
    /// Number of magnitudes.
    count: usize,
    /// Distance between elements of neighboring magnitudes.
    stride: usize,
    /// What is added to each norm.
    floor: f64,
    factors: Mutex<Option<Arc<[f64]>>>,
}

impl Magnitude {
    /// Creates the magnitudes of a weight of `size` elements: element i has magnitude `i / stride % count`.
    pub(super) fn new(tensor: String, size: usize, count: usize, stride: usize) -> Self {
        Self { tensor, size, count, stride, floor: 0.0, factors: Mutex::new(None) }
    }

    /// Adds a small number to each norm, as LyCORIS does.
    pub(super) fn with_floor(mut self, floor: f64) -> Self {
        self.floor = floor;
        self
    }

    /// Returns the number of magnitudes.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Returns the number of the magnitude to which an element of the weight belongs.
    fn line(&self, at: usize) -> usize {
        at / self.stride % self.count
    }

    /// Rescales elements `offset ..` of a weight to which the increment has been added.
    ///
    /// `weight` reads elements of this weight before they are rescaled.
    pub(super) fn rescale(
        &self,
        stored: &dyn ParameterSource,
        weight: impl Fn(usize, &mut [f32]) -> Result<(), SourceError>,
        offset: usize,
        out: &mut [f32],
    ) -> Result<(), SourceError> {
        let factors = self.factors(stored, weight)?;
        for (value, at) in out.iter_mut().zip(offset..) {
            *value = (f64::from(*value) * factors[self.line(at)]) as f32;
        }
        Ok(())
    }

    fn factors(
        &self,
        stored: &dyn ParameterSource,
        weight: impl Fn(usize, &mut [f32]) -> Result<(), SourceError>,
    ) -> Result<Arc<[f64]>, SourceError> {
        // The lock stays held during the computation, because other readers of this weight need the result. A panic leaves the
        // factors unset.
        let mut kept = self.factors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(factors) = &*kept {
            return Ok(Arc::clone(factors));
        }
        let size = self.size;
        // Sums of squares are in f64, because a row may have many thousands of values.
        let mut squares = vec![0f64; self.count];
        let mut block = vec![0.0; HELD.min(size)];
        let mut offset = 0;
        while offset < size {
            let values = &mut block[..HELD.min(size - offset)];
            weight(offset, values)?;
            for (value, at) in values.iter().zip(offset..) {
                squares[self.line(at)] += f64::from(*value).powi(2);
            }
            offset += values.len();
        }
        let mut magnitudes = vec![0.0; self.count];
        stored.read(&self.tensor, 0, &mut magnitudes)?;
        let factors: Arc<[f64]> =
            magnitudes.iter().zip(&squares).map(|(m, s)| f64::from(*m) / (s.sqrt() + self.floor)).collect();
        *kept = Some(Arc::clone(&factors));
        Ok(factors)
    }
}
