//! Weights that are rescaled to stored magnitudes (DoRA): each output of W + s·B·A gets the norm that was trained for it.

use super::low_rank::LowRank;
use crate::error::SourceError;
use crate::source::ParameterSource;
use std::sync::{Arc, Mutex, PoisonError};

/// Elements of the weight that are in memory at a time while norms are computed.
const HELD: usize = 1 << 16;

/// The magnitudes of one weight, one for each output.
///
/// The first read computes the factor of each output by streaming the whole weight once. The factors are kept: eight bytes for
/// each output.
#[derive(Debug)]
pub(super) struct Magnitude {
    pub(super) tensor: String,
    factors: Mutex<Option<Arc<[f64]>>>,
}

impl Magnitude {
    pub(super) fn new(tensor: String) -> Self {
        Self { tensor, factors: Mutex::new(None) }
    }

    /// Rescales elements `offset ..` of a weight to which the increment has been added.
    ///
    /// `weight` reads elements of this weight before they are rescaled.
    pub(super) fn rescale(
        &self,
        stored: &dyn ParameterSource,
        delta: &LowRank,
        weight: impl Fn(usize, &mut [f32]) -> Result<(), SourceError>,
        offset: usize,
        out: &mut [f32],
    ) -> Result<(), SourceError> {
        let factors = self.factors(stored, delta, weight)?;
        for (value, at) in out.iter_mut().zip(offset..) {
            *value = (f64::from(*value) * factors[output(delta, at)]) as f32;
        }
        Ok(())
    }

    fn factors(
        &self,
        stored: &dyn ParameterSource,
        delta: &LowRank,
        weight: impl Fn(usize, &mut [f32]) -> Result<(), SourceError>,
    ) -> Result<Arc<[f64]>, SourceError> {
        // The lock stays held during the computation, because other readers of this weight need the result. A panic leaves the
        // factors unset.
        let mut kept = self.factors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(factors) = &*kept {
            return Ok(Arc::clone(factors));
        }
        let size = delta.rows() * delta.columns();
        // Sums of squares are in f64, because a row may have many thousands of values.
        let mut squares = vec![0f64; delta.outputs];
        let mut block = vec![0.0; HELD.min(size)];
        let mut offset = 0;
        while offset < size {
            let values = &mut block[..HELD.min(size - offset)];
            weight(offset, values)?;
            for (value, at) in values.iter().zip(offset..) {
                squares[output(delta, at)] += f64::from(*value).powi(2);
            }
            offset += values.len();
        }
        let mut magnitudes = vec![0.0; delta.outputs];
        stored.read(&self.tensor, 0, &mut magnitudes)?;
        let factors: Arc<[f64]> = magnitudes.iter().zip(&squares).map(|(m, s)| f64::from(*m) / s.sqrt()).collect();
        *kept = Some(Arc::clone(&factors));
        Ok(factors)
    }
}

/// Returns the output to which an element of the weight belongs.
fn output(delta: &LowRank, at: usize) -> usize {
    if delta.transposed { at % delta.columns() } else { at / delta.columns() }
}
