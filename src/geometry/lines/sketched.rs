//! The sums of lines from what sketches keep of them.

use super::sums::{MemberSums, Sums};
use crate::error::Error;
use crate::geometry::sketch::{LineSketch, SketchSet};
use crate::geometry::values::{SharedTensor, Values};
use crate::model_set::{Kind, ModelId};
use rayon::prelude::*;

/// Lines of one tensor that the reference and all members keep.
struct Common<'v> {
    tensor: SharedTensor<'v>,
    reference: LineSketch,
    rows: Vec<usize>,
    columns: Vec<usize>,
}

/// Sums as from the values, but for a factor that all of one line have in common, or nearly.
pub(super) fn sums(values: &Values, set: &SketchSet, reference: ModelId, members: &[ModelId]) -> Result<Sums, Error> {
    let models: Vec<ModelId> = std::iter::once(reference).chain(members.iter().copied()).collect();
    let mut all = Vec::new();
    for tensor in values.shared(&models)?.into_iter().filter(|t| t.kind == Kind::Matrix && t.values.start == 0) {
        all.extend(common(set, tensor, &models)?);
    }
    let own = |common: &Common<'_>| -> Vec<f64> {
        common.lines(&common.reference).map(|line| line.iter().map(|x| x * x).sum()).collect()
    };
    let of_member = |m: usize| -> Result<MemberSums, Error> {
        let mut sums = MemberSums::default();
        for common in &all {
            let Some(member) = set.lines(models[m], common.tensor.own_names[m])? else { continue };
            for (r, x) in common.lines(&common.reference).zip(common.lines(&member)) {
                sums.reference_change.push(r.iter().zip(x).map(|(r, x)| r * (x - r)).sum());
                sums.change.push(r.iter().zip(x).map(|(r, x)| (x - r) * (x - r)).sum());
            }
        }
        Ok(sums)
    };
    let members = (1..models.len()).into_par_iter().map(of_member).collect::<Result<_, Error>>()?;
    Ok(Sums { reference: all.iter().flat_map(own).collect(), members })
}

fn common<'v>(set: &SketchSet, tensor: SharedTensor<'v>, models: &[ModelId]) -> Result<Option<Common<'v>>, Error> {
    let Some(reference) = set.lines(models[0], tensor.own_names[0])? else { return Ok(None) };
    let mut samples = vec![reference.sample];
    for (&model, name) in models.iter().zip(&tensor.own_names).skip(1) {
        match set.sample(model, name) {
            Some(sample) => samples.push(sample),
            None => return Ok(None),
        }
    }
    // Strides are powers of two: the lines of the greatest are in all samples.
    let row_stride = samples.iter().map(|s| s.row_stride).max().unwrap_or(1);
    let column_stride = samples.iter().map(|s| s.column_stride).max().unwrap_or(1);
    let rows = (0..tensor.values.end / tensor.row_size).step_by(row_stride).collect();
    let same = samples.iter().all(|s| (s.rows, s.columns) == (samples[0].rows, samples[0].columns));
    let columns = if same { (0..samples[0].columns).step_by(column_stride).collect() } else { Vec::new() };
    Ok(Some(Common { tensor, reference, rows, columns }))
}

impl Common<'_> {
    fn lines<'s>(&'s self, of: &'s LineSketch) -> impl Iterator<Item = &'s [f64]> {
        let rows = self.rows.iter().map(|&row| of.row(row));
        rows.chain(self.columns.iter().map(|&column| of.column(column)))
    }
}
