//! z-scores of all pairs in a group, from inner products of sketches, tile by tile.

use super::on_demand::SketchedPairs;
use super::runs::CommonRun;
use crate::error::Error;
use crate::geometry::Place;
use crate::kernel::format::BASE;
use crate::kernel::{Moments, Packed, median};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::ops::Range;

/// The most multiplications for all pairs together: half a minute on two cores.
const MULTIPLICATIONS: f64 = 2e12;

/// The most parameters, where not all fit. Fewer and wider ones separate kin from strangers at smaller cosines.
const PARAMETERS: usize = 64;

/// Number of models in a tile, down and across.
const TILE: usize = 128;

/// One run of one parameter, as a range of columns.
struct RunColumns {
    columns: Range<usize>,
    /// The run's squared norm over the parameter's, for each model; `None` for a run that is not sketched.
    shares: Option<Vec<f64>>,
}

/// One parameter, where each model is divided by its norm.
struct ParameterColumns {
    runs: Vec<RunColumns>,
    /// Number of values.
    size: f64,
    /// `√size · mean` for each model; 0 where the mean is subtracted already.
    ///
    /// The means add the product of two of these to an inner product.
    means: Vec<f64>,
    /// For each model, the squared norm after the mean is subtracted; 0 without a norm.
    centered: Vec<f64>,
}

/// All models in the order of their places, each with what sketches keep of a few parameters.
struct ModelRows {
    /// Shape (models, columns), row-major.
    values: Vec<f32>,
    columns: usize,
    parts: Vec<ParameterColumns>,
}

impl SketchedPairs {
    /// The z-score of every pair of models: the median over some of the parameters in `wanted`; NaN where there is none.
    ///
    /// # Errors
    ///
    /// [`Error::MemoryTooSmall`], and [`Error::Source`] for a sketch that cannot be read.
    pub(super) fn z_scores(&self, wanted: &[usize]) -> Result<Packed, Error> {
        let n = self.models.order().len();
        let rows = self.rows(n, wanted)?;
        let mut z = Packed::constant(n, f64::NAN);
        for first in (0..n).step_by(TILE) {
            let down = first..(first + TILE).min(n);
            // The matrix is symmetric, so tiles above the diagonal are left out.
            let across: Vec<Range<usize>> =
                (0..down.end).step_by(TILE).map(|begin| begin..(begin + TILE).min(n)).collect();
            let tiles: Vec<Vec<f64>> = across.par_iter().map(|across| rows.tile(&down, across)).collect();
            for (across, tile) in across.iter().zip(tiles) {
                for (i, row) in down.clone().zip(tile.chunks_exact(across.len())) {
                    across.clone().zip(row).filter(|(j, _)| *j < i).for_each(|(j, &pooled)| z.set(i, j, pooled));
                }
            }
        }
        Ok(z)
    }

    /// The width at which parameters are compared, and the parameters, sorted.
    ///
    /// As many parameters as time and memory allow are chosen, the largest first.
    ///
    /// # Errors
    ///
    /// [`Error::MemoryTooSmall`] when not even one parameter fits at the least width.
    fn budget(&self, n: usize, wanted: &[usize]) -> Result<(usize, Vec<usize>), Error> {
        let too_small = |expected| Error::MemoryTooSmall { found: self.memory, expected, models: n };
        // Half of the memory is for the z-scores themselves.
        let scores = 8 * Packed::length(n) as u64;
        if scores > self.memory / 2 {
            return Err(too_small(2 * scores));
        }
        let in_time = MULTIPLICATIONS / Packed::length(n) as f64;
        let most = in_time.min((self.memory / 4 / 4 / n as u64) as f64) as usize;
        let numbers =
            |h: usize, width: usize| -> usize { self.runs[self.compared[h]].iter().map(|c| c.count.min(width)).sum() };
        let columns = |chosen: &[usize], width: usize| chosen.iter().map(|&h| numbers(h, width)).sum::<usize>();
        let mut width = self.models.width;
        let mut chosen = wanted.to_vec();
        // First all but the 64 largest parameters are given up, then width, and then further parameters.
        if columns(&chosen, width) > most {
            chosen.sort_by_key(|&h| (Reverse(self.marginals[h].size()), h));
            chosen.truncate(PARAMETERS);
            while width > BASE && columns(&chosen, width) > most {
                width /= 2;
            }
            while chosen.len() > 1 && columns(&chosen, width) > most {
                chosen.pop();
            }
            chosen.sort_unstable();
        }
        let least = columns(&chosen, width);
        if least > most.max(BASE) {
            return Err(too_small(16 * (least * n) as u64));
        }
        Ok((width, chosen))
    }

    /// Reads the rows of all models, at the width and for the parameters that the budget allows.
    fn rows(&self, n: usize, wanted: &[usize]) -> Result<ModelRows, Error> {
        let (width, chosen) = self.budget(n, wanted)?;
        let mut columns = 0;
        let part = |&h: &usize| {
            let part = self.part(h, width, columns);
            columns += part.runs.iter().map(|run| run.columns.len()).sum::<usize>();
            part
        };
        let parts: Vec<ParameterColumns> = chosen.iter().map(part).collect();
        let mut values = vec![0f32; n * columns];
        let fill = |(place, row): (usize, &mut [f32])| {
            chosen.iter().zip(&parts).try_for_each(|(&h, part)| self.fill(h, part, place, row))
        };
        if columns > 0 {
            values.par_chunks_exact_mut(columns).enumerate().try_for_each(fill)?;
        }
        Ok(ModelRows { values, columns, parts })
    }

    /// The columns of one parameter that all models hold, at a width, from column `begin` on. So its holders are all places.
    fn part(&self, h: usize, width: usize, mut begin: usize) -> ParameterColumns {
        let (tensor, p) = (&self.marginals[h].tensors[0], self.compared[h]);
        // Models without a norm have no share of anything.
        let share = |place: usize, own: f64| {
            let norm = tensor.moments[place].squared_norm();
            if norm > 0.0 { own / norm } else { 0.0 }
        };
        let per_model = |own: &dyn Fn(usize, &Moments) -> f64| -> Vec<f64> {
            tensor.moments.iter().enumerate().map(|(place, m)| share(place, own(place, m))).collect()
        };
        let run = |c: &CommonRun| {
            let columns = begin..begin + c.count.min(width);
            begin = columns.end;
            let norm = |place: usize, m: &Moments| {
                self.models.segment_norm(Place(place), p, c).unwrap_or_else(|| m.squared_norm())
            };
            let shares = (columns.len() < c.size).then(|| per_model(&norm));
            RunColumns { columns, shares }
        };
        let runs: Vec<RunColumns> = self.runs[p].iter().map(run).collect();
        let centered = per_model(&|_, m| m.m2);
        let mut part = ParameterColumns { runs, size: tensor.size as f64, means: vec![0.0; centered.len()], centered };
        // Where all values are kept, `fill` subtracts the mean from them instead.
        if !part.is_whole() {
            let mean = |(place, m): (usize, &Moments)| m.mean * share(place, m.count).sqrt();
            part.means = tensor.moments.iter().enumerate().map(mean).collect();
        }
        part
    }

    /// Fills the columns of one parameter in one row.
    ///
    /// The numbers are divided by the model's norm. Where all values are kept, the mean is subtracted first.
    fn fill(&self, h: usize, part: &ParameterColumns, place: usize, row: &mut [f32]) -> Result<(), Error> {
        let moments = &self.marginals[h].tensors[0].moments[place];
        let norm = moments.squared_norm().sqrt();
        let mean = if part.is_whole() { moments.mean } else { 0.0 };
        let scaled = |x: f64| if norm > 0.0 { ((x - mean) / norm) as f32 } else { 0.0 };
        let p = self.compared[h];
        let mut wide = Vec::new();
        for (run, columns) in part.runs.iter().zip(&self.runs[p]) {
            wide.resize(run.columns.len(), 0.0);
            self.models.read(Place(place), p, columns, run.columns.len(), 0, &mut wide)?;
            row[run.columns.clone()].iter_mut().zip(&wide).for_each(|(r, &x)| *r = scaled(x));
        }
        Ok(())
    }
}

impl ModelRows {
    /// The medians of one tile, shape (down, across), row-major.
    fn tile(&self, down: &Range<usize>, across: &Range<usize>) -> Vec<f64> {
        let pairs = down.len() * across.len();
        let mut all = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            // Rows have norms near 1, so products in f32 are exact enough for a z-score.
            let mut inner = Mat::<f32>::zeros(across.len(), down.len());
            for run in &part.runs {
                let (a, b) = (self.block(across, &run.columns), self.block(down, &run.columns));
                matmul(inner.as_mut(), Accum::Add, a, b.transpose(), 1.0, Par::Seq);
            }
            let mut z = Vec::with_capacity(pairs);
            for (c, i) in down.clone().enumerate() {
                z.extend(across.clone().enumerate().map(|(r, j)| part.z(i, j, f64::from(inner[(r, c)]))));
            }
            all.push(z);
        }
        let mut found = Vec::with_capacity(all.len());
        let median = |pair: usize| {
            // One buffer serves all pairs of the tile.
            found.clear();
            found.extend(all.iter().map(|z| z[pair]).filter(|z| !z.is_nan()));
            median(&mut found).unwrap_or(f64::NAN)
        };
        (0..pairs).map(median).collect()
    }

    /// The values of some models in some columns, as a matrix.
    fn block(&self, models: &Range<usize>, columns: &Range<usize>) -> MatRef<'_, f32> {
        let rows = &self.values[models.start * self.columns..models.end * self.columns];
        MatRef::from_row_major_slice(rows, models.len(), self.columns).subcols(columns.start, columns.len())
    }
}

impl ParameterColumns {
    /// Whether every value is kept and none is sketched.
    fn is_whole(&self) -> bool {
        self.runs.iter().all(|run| run.shares.is_none())
    }

    /// The z-score of two models, from the inner product of both, each divided by its norm.
    ///
    /// The result is NaN when all values of a model are the same. A sketch of width w adds `‖θ_i‖² ‖θ_j‖² / w` to the variance
    /// of the inner product of unrelated models.
    fn z(&self, i: usize, j: usize, inner: f64) -> f64 {
        let centered = self.centered[i] * self.centered[j];
        if centered <= 0.0 {
            return f64::NAN;
        }
        let sketched = |run: &RunColumns| {
            run.shares.as_ref().map_or(0.0, |shares| shares[i] * shares[j] / run.columns.len() as f64)
        };
        let variance = centered / self.size + self.runs.iter().map(sketched).sum::<f64>();
        (inner - self.means[i] * self.means[j]) / variance.sqrt()
    }
}
