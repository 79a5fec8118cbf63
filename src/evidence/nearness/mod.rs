//! A sample of the values of two models that lie near each other: noise, rounding, or training?

mod sample;
mod steps;
mod structure;
mod units;

use super::values::Values;
use crate::error::Error;
use crate::geometry::{Apart, Geometry, Nearness, Spacing};
use crate::kernel::median;
use crate::model_set::ModelId;
use sample::Sample;
pub(super) use sample::wanted;
use units::Units;

impl Geometry {
    /// Reads a sample of the values of two models, and tells how one may have been made from the other without training.
    ///
    /// The result is `None` when values are not at hand, or when the two share no matrix.
    ///
    /// # Errors
    ///
    /// [`Error::NotComparable`] when the models are not of one group, [`Error::Source`] for a model that cannot be read any more.
    ///
    /// # Complexity
    ///
    /// At most 9 matrices are read, of each at most 64 rows of at most 4,096 values.
    pub(crate) fn nearness(&self, a: ModelId, b: ModelId) -> Result<Option<Nearness>, Error> {
        self.evidence().map_or(Ok(None), |evidence| evidence.nearness(a, b))
    }

    /// Reads the values of two models, and tells how far they are apart at most. It stops where they are farther than a unit.
    ///
    /// # Errors
    ///
    /// The errors of [`nearness`](Self::nearness).
    pub(crate) fn apart(&self, a: ModelId, b: ModelId, spacing: [Spacing; 2]) -> Result<Option<Apart>, Error> {
        self.evidence().map_or(Ok(None), |evidence| evidence.apart(a, b, spacing))
    }
}

/// The sample of two models.
pub(super) fn nearness(values: &Values, a: ModelId, b: ModelId) -> Result<Option<Nearness>, Error> {
    let samples = sample::samples(values, a, b)?;
    let size: usize = samples.iter().map(Sample::len).sum();
    if size == 0 {
        return Ok(None);
    }
    let equal: usize = samples.iter().map(Sample::equal).sum();
    let moved: usize = samples.iter().filter(|s| s.equal() < s.len()).map(Sample::len).sum();
    let spacing = [0, 1].map(|which| units::spacing(samples.iter().flat_map(|s| s.values(which))));
    let units = Units::new(spacing);
    let apart = samples.iter().map(|s| units.apart(s.values(0), s.values(1))).max().unwrap_or(Apart::Farther);
    let mut structures: Vec<f64> = samples.iter().filter_map(structure::structure).collect();
    Ok(Some(Nearness {
        equal: equal as f64 / size as f64,
        moved: moved as f64 / size as f64,
        structure: median(&mut structures),
        apart,
        spacing,
        steps: [steps::steps(&samples, 0, 1), steps::steps(&samples, 1, 0)],
    }))
}

/// The size of what rounding to steps by blocks changed in a model, next to its values; 0 where it lies on no such steps.
pub(super) fn own_noise(values: &Values, model: ModelId) -> Result<f64, Error> {
    Ok(steps::noise(&sample::samples(values, model, model)?))
}

/// How far the values of two models are apart at most.
pub(super) fn apart(values: &Values, a: ModelId, b: ModelId, spacing: [Spacing; 2]) -> Result<Apart, Error> {
    let units = Units::new(spacing);
    let mut most = Apart::Rounding;
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    for tensor in values.shared(&[a, b])? {
        for run in tensor.runs() {
            // This may end at any run, so that no more is announced than is read.
            values.announce(2 * run.len());
            values.read(a, tensor.own_names[0], &run, &mut of_a)?;
            values.read(b, tensor.own_names[1], &run, &mut of_b)?;
            most = most.max(units.apart(&of_a, &of_b));
            if most == Apart::Farther {
                return Ok(most);
            }
        }
    }
    Ok(most)
}
