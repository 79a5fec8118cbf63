//! Models made from another one by taking directions out of its weights: projections of low rank, with no training.
//!
//! Directional ablation (Arditi et al., arXiv:2406.11717) takes the direction of a behavior out of every matrix that writes it:
//!
//! ```text
//! W' = W − s u uᵀ W        ‖uᵀ W'‖ = |1 − s| ‖uᵀ W‖        s = 1 takes all of it
//! ```
//!
//! So the increment is of low rank, and what it changes is what the parent has along its own directions. An adapter of low rank has
//! directions of its own. Who of two models has more along the directions came first: nothing puts back what is gone.

use super::weights::{Edits, Weights};
use crate::error::Error;
use crate::geometry::{Geometry, Increment, Increments, Projection, Side};
use crate::model_set::ModelId;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The most directions that are told apart.
const MOST: usize = 256;

/// What the later of two models has left along the directions that were taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing but rounding.
    Nothing,
    /// A part.
    Part,
}

/// The directions that one of two models lacks, wholly or in part, in every matrix in which the two differ.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Edit {
    /// The one that has them.
    pub(super) earlier: ModelId,
    pub(super) left: Left,
    /// The share that was taken out of each matrix: 1 is all, more turns the direction round.
    pub(super) removed: BTreeMap<String, f64>,
    /// Number of directions in all matrices together, at most [`MOST`].
    directions: usize,
    /// The least and the largest number of them in one matrix.
    in_one: RangeInclusive<usize>,
}

/// Along one side, what two models have in one matrix.
struct Sided<'p> {
    parameter: &'p Increment,
    side: Side,
}

/// Finds the directions that one of two models lacks. `None` where anything else differs in a matrix, and without values.
///
/// Vectors may differ in any way: a bias is projected with its matrix. The smallest matrix is looked at first, so that most other
/// changes of low rank cost little.
///
/// # Errors
///
/// [`Error::Source`] for a model that cannot be read any more, [`Error::Decomposition`].
pub(super) fn edit(
    geometry: &Geometry,
    [a, b]: [ModelId; 2],
    increments: &Increments,
    weights: &Weights,
) -> Result<Option<Edit>, Error> {
    if increments.low_rank().is_none() {
        return Ok(None);
    }
    // A matrix of rank 0 was only stored again.
    let moved = |m: &&Increment| !m.is_untouched() && m.rank != Some(0);
    let mut moved: Vec<&Increment> = increments.matrices.iter().filter(moved).collect();
    moved.sort_by_key(|p| p.size);
    let mut sides = Vec::with_capacity(moved.len());
    for parameter in moved {
        let found = geometry.projection(a, b, parameter)?;
        let Some(side) = found.and_then(|found| projected(found, &weights.edits)) else { return Ok(None) };
        sides.push(Sided { parameter, side });
    }
    Ok(taken([a, b], sides, &weights.edits))
}

/// The side along which a matrix was projected; `None` where neither is.
fn projected(found: Projection, numbers: &Edits) -> Option<Side> {
    let Projection { rows, columns } = found;
    let side = if beside(&rows) <= beside(&columns) { rows } else { columns };
    // Lines that were set to zero are directions too, each of one line alone.
    let spread = side.support() as f64 >= numbers.spread * side.basis.len() as f64;
    (spread && beside(&side) <= numbers.beside).then_some(side)
}

/// How much of the change along the directions is not along what the model has that has more, as a share.
fn beside(side: &Side) -> f64 {
    let (more, less) = (side.squared_a.max(side.squared_b), side.squared_a.min(side.squared_b));
    let left = (less - side.inner * side.inner / more).max(0.0);
    let share = (left / side.squared_change()).sqrt();
    // Two models without anything along the directions give 0 / 0.
    if share.is_finite() { share } else { f64::INFINITY }
}

/// What was taken, when the same model has more in every matrix, and enough more in all of them together.
fn taken([a, b]: [ModelId; 2], sides: Vec<Sided<'_>>, numbers: &Edits) -> Option<Edit> {
    let sum = |of: fn(&Side) -> f64| sides.iter().map(|s| of(&s.side)).sum::<f64>();
    let (of_a, of_b) = (sum(|s| s.squared_a), sum(|s| s.squared_b));
    let first = of_a >= of_b;
    let (more, less) = (of_a.max(of_b), of_a.min(of_b));
    let squared = |s: &Side| if first { (s.squared_a, s.squared_b) } else { (s.squared_b, s.squared_a) };
    let lost = sides.iter().map(|s| squared(&s.side)).all(|(more, less)| less <= more);
    if !lost || less > numbers.kept * numbers.kept * more || sides.is_empty() {
        return None;
    }
    let gone = |s: &Side| {
        let (more, less) = squared(s);
        less.sqrt() <= numbers.exact * more.sqrt() + numbers.roundings * s.rounding
    };
    let left = if sides.iter().all(|s| gone(&s.side)) { Left::Nothing } else { Left::Part };
    let removed = sides.iter().map(|s| (s.parameter.name.clone(), 1.0 - s.side.inner / squared(&s.side).0)).collect();
    let ranks = || sides.iter().map(|s| s.side.basis.len());
    let in_one = ranks().min()?..=ranks().max()?;
    let earlier = if first { a } else { b };
    Some(Edit { earlier, left, removed, directions: directions(&sides, numbers.alike), in_one })
}

/// The number of directions in all matrices together. Directions within `alike` of others, as a sine, are no new ones.
fn directions(sides: &[Sided<'_>], alike: f64) -> usize {
    // Directions of other lengths are of other spaces.
    let mut spaces: BTreeMap<usize, Vec<Vec<f64>>> = BTreeMap::new();
    let mut count = 0;
    for direction in sides.iter().flat_map(|s| &s.side.basis) {
        let known = spaces.entry(direction.len()).or_default();
        let mut rest = direction.clone();
        for other in &*known {
            let along: f64 = rest.iter().zip(other).map(|(x, y)| x * y).sum();
            rest.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
        }
        let norm = rest.iter().map(|x| x * x).sum::<f64>().sqrt();
        if norm > alike && count < MOST {
            rest.iter_mut().for_each(|x| *x /= norm);
            known.push(rest);
            count += 1;
        }
    }
    count
}

impl Edit {
    /// What was taken out, in words: one direction, or how many, and whether these are the same in every matrix.
    pub(super) fn method(&self) -> String {
        let (least, most) = (*self.in_one.start(), *self.in_one.end());
        let directions = match self.directions {
            1 => "one direction".to_owned(),
            MOST => format!("{MOST} directions or more"),
            n => format!("{n} directions"),
        };
        match (least == most, most == self.directions) {
            (true, true) => directions,
            (true, false) => format!("{directions}, {most} a tensor"),
            (false, _) => format!("{directions}, {least} to {most} a tensor"),
        }
    }
}

#[cfg(test)]
mod tests;
