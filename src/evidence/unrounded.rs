//! Distances without the noise of quantization, whose size is known.

use crate::error::Error;
use crate::geometry::{Comparison, Geometry};
use crate::model_set::ModelId;
use std::collections::BTreeMap;

impl Geometry {
    /// Compares some models of one group, with the noise of known quantization taken off their distances.
    ///
    /// Rounding moves a model in a direction that no other model knows of. So its squared distance to every other is larger by
    /// the squared size of the noise, which codes and scales tell. Without the noise, a quantized model stands where its absent
    /// source would. Models that were not quantized in known steps are compared as by [`compare`](Self::compare).
    ///
    /// # Errors
    ///
    /// Those of [`compare`](Self::compare), and [`Error::Source`] for a model that cannot be read any more.
    pub(crate) fn compare_unrounded(&self, members: &[ModelId]) -> Result<Comparison, Error> {
        let comparison = self.compare(members)?;
        let Some(evidence) = self.evidence().filter(|_| members.iter().any(|&m| self.is_quantized(m))) else {
            return Ok(comparison);
        };
        let noise = |&m: &ModelId| -> Result<BTreeMap<String, f64>, Error> {
            if self.is_quantized(m) { evidence.roundings(m) } else { Ok(BTreeMap::new()) }
        };
        let noise: Vec<BTreeMap<String, f64>> = members.iter().map(noise).collect::<Result<_, _>>()?;
        Ok(comparison.without_noise(&noise))
    }
}
