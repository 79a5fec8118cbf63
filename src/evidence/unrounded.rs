//! Distances without the noise of quantization, whose size is known.

use crate::error::Error;
use crate::geometry::{Comparison, Geometry, Noise};
use crate::model_set::ModelId;
use std::collections::BTreeMap;

impl Geometry {
    /// Compares some models of one group, with the noise of quantization taken off their distances where its size is known.
    ///
    /// Rounding moves a model in a direction that no other model knows of. So its squared distance to every other is larger by
    /// the squared size of the noise. Codes and scales tell that size, or the steps on which the values lie. Without the noise, a
    /// quantized model stands where its absent source would. Other models are compared as by [`compare`](Self::compare).
    ///
    /// # Errors
    ///
    /// Those of [`compare`](Self::compare), and [`Error::Source`] for a model that cannot be read any more.
    ///
    /// # Complexity
    ///
    /// That of [`compare`](Self::compare), and the reading of a sample of each model, once.
    pub(crate) fn compare_unrounded(&self, members: &[ModelId]) -> Result<Comparison, Error> {
        let comparison = self.compare(members)?;
        let Some(evidence) = self.evidence() else { return Ok(comparison) };
        let noise = |&m: &ModelId| {
            Ok(if self.is_quantized(m) {
                Noise { of_tensors: evidence.roundings(m)?, share: 0.0 }
            } else {
                Noise { of_tensors: BTreeMap::new(), share: evidence.own_noise(m)? }
            })
        };
        let noise: Vec<Noise> = members.iter().map(noise).collect::<Result<_, Error>>()?;
        Ok(if noise.iter().any(Noise::is_known) { comparison.without_noise(&noise) } else { comparison })
    }
}
