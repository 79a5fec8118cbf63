//! A weight or bias whose inputs or outputs are scaled by stored numbers ((IA)³).
//!
//! Liu et al. 2022, <https://arxiv.org/abs/2205.05638>.

use crate::error::SourceError;
use crate::source::ParameterSource;

/// Scales of a tensor: element i is scaled by number `i / stride % count` of the stored vector.
#[derive(Debug)]
pub(super) struct Scaling {
    pub(super) tensor: String,
    pub(super) count: usize,
    pub(super) stride: usize,
}

impl Scaling {
    /// Scales elements `offset ..`. Memory: one number for each scale.
    pub(super) fn scale(
        &self,
        stored: &dyn ParameterSource,
        offset: usize,
        out: &mut [f32],
    ) -> Result<(), SourceError> {
        let mut scales = vec![0.0; self.count];
        stored.read(&self.tensor, 0, &mut scales)?;
        for (value, at) in out.iter_mut().zip(offset..) {
            *value *= scales[at / self.stride % self.count];
        }
        Ok(())
    }
}
