//! Sums along lines, from what sketches keep of the lines.

use super::SketchSet;
use super::line_sample::LineSketch;
use crate::error::Error;
use crate::evidence::{SharedTensor, SharedTensors};
use crate::geometry::{LineSums, MemberSums};
use crate::model_set::{Kind, ModelId};
use rayon::prelude::*;

/// The lines of one tensor that the reference and all members keep.
struct CommonLines<'v> {
    tensor: SharedTensor<'v>,
    reference: LineSketch,
    rows: Vec<usize>,
    columns: Vec<usize>,
}

/// Sums like those from the values, up to a factor that is nearly the same for all sums of one line.
pub(super) fn line_sums(
    shared: &SharedTensors,
    set: &SketchSet,
    reference: ModelId,
    members: &[ModelId],
) -> Result<LineSums, Error> {
    let models: Vec<ModelId> = std::iter::once(reference).chain(members.iter().copied()).collect();
    let mut all = Vec::new();
    // Lines are numbered from the first row, so a tensor that is compared from a later row on has none.
    for tensor in shared.among(&models)?.into_iter().filter(|t| t.kind == Kind::Matrix && t.values.start == 0) {
        all.extend(common(set, tensor, &models)?);
    }
    let own = |common: &CommonLines<'_>| -> Vec<f64> {
        common.lines(&common.reference).map(|line| line.iter().map(|x| x * x).sum()).collect()
    };
    let of_member = |m: usize| -> Result<MemberSums, Error> {
        let mut sums = MemberSums::default();
        for common in &all {
            let Some(member) = set.lines(models[m], common.tensor.own_names[m])? else { continue };
            // As with values, the difference is taken first: near a factor of 1 products would lose digits.
            for (r, x) in common.lines(&common.reference).zip(common.lines(&member)) {
                sums.reference_change.push(r.iter().zip(x).map(|(r, x)| r * (x - r)).sum());
                sums.change.push(r.iter().zip(x).map(|(r, x)| (x - r) * (x - r)).sum());
            }
        }
        Ok(sums)
    };
    let members = (1..models.len()).into_par_iter().map(of_member).collect::<Result<_, Error>>()?;
    // Eight random sums give the squared length of a line to a half of itself: too rough to say which lines grew.
    let reference = all.iter().flat_map(own).collect();
    Ok(LineSums { reference, reference_fourth: Vec::new(), members, spans: Vec::new() })
}

/// The lines that all models keep of a tensor; `None` when one of them keeps none.
fn common<'v>(set: &SketchSet, tensor: SharedTensor<'v>, models: &[ModelId]) -> Result<Option<CommonLines<'v>>, Error> {
    let Some(reference) = set.lines(models[0], tensor.own_names[0])? else { return Ok(None) };
    let mut samples = vec![reference.sample];
    for (&model, name) in models.iter().zip(&tensor.own_names).skip(1) {
        match set.sample(model, name) {
            Some(sample) => samples.push(sample),
            None => return Ok(None),
        }
    }
    // Strides are powers of two, so the lines at the largest stride are in all samples.
    let row_stride = samples.iter().map(|s| s.row_stride).max().unwrap_or(1);
    let column_stride = samples.iter().map(|s| s.column_stride).max().unwrap_or(1);
    let rows = (0..tensor.values.end / tensor.row_size).step_by(row_stride).collect();
    let same = samples.iter().all(|s| (s.rows, s.columns) == (samples[0].rows, samples[0].columns));
    let columns = if same { (0..samples[0].columns).step_by(column_stride).collect() } else { Vec::new() };
    Ok(Some(CommonLines { tensor, reference, rows, columns }))
}

impl CommonLines<'_> {
    /// The random sums of each common line, rows first.
    fn lines<'s>(&'s self, of: &'s LineSketch) -> impl Iterator<Item = &'s [f64]> {
        let rows = self.rows.iter().map(|&row| of.row(row));
        rows.chain(self.columns.iter().map(|&column| of.column(column)))
    }
}
