//! The traces that masked increments leave in values: places that were left alone, and one exact factor.
//!
//! A tool that adds masked increments to a base computes each value from the base and from few parents. Where one parent alone
//! is left, the change of the value is the parent's increment times one factor, the same in all tensors. Training does not do
//! that.

use super::weights::Masked;
use crate::geometry::MatrixSample;
use crate::source::Dtype;

/// The most changed values that are compared with increments. Of more, every so many is.
const CHANGED: usize = 1 << 17;

/// The traces in a child of the increments that some donors have over a base.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Traces {
    /// Share of the values outside whole lines that are those of the base, over all matrices that changed.
    pub(super) untouched: f64,
    /// The least such share of one matrix.
    pub(super) least: f64,
    /// Share of the changed values that moved much farther than storage rounds.
    pub(super) resolved: f64,
    /// What the child has of each donor.
    pub(super) donors: Vec<Donated>,
}

/// What a child has of one donor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Donated {
    /// Share of the changed values that are the factor times this donor's increment, and no other donor's.
    pub(super) share: f64,
    /// The factor.
    pub(super) factor: f64,
    /// Whether another donor goes along at these places as a child of the merge would.
    pub(super) followed: bool,
}

/// One value that differs from that of the base.
struct Change {
    /// Child less base.
    moved: f64,
    /// How far rounding may have put the child's value off.
    tolerance: f64,
}

/// The changed values, with the increment of each donor at each.
struct Changes {
    all: Vec<Change>,
    /// Donor by donor.
    increments: Vec<Vec<f64>>,
}

/// The traces in a sample of the base, the child and the donors, in this order. `None` where nothing changed.
///
/// Without donors, only untouched values are counted.
pub(super) fn traces(sample: &[MatrixSample], numbers: &Masked) -> Option<Traces> {
    let donors = sample.first()?.values.len().checked_sub(2)?;
    let mut changes = Changes { all: Vec::new(), increments: vec![Vec::new(); donors] };
    let (mut outside, mut equal, mut least) = (0, 0, f64::INFINITY);
    let total: usize = sample.iter().map(|m| m.values[0].len()).sum();
    let step = total.div_ceil(CHANGED).max(1);
    for matrix in sample {
        let rounded = rounded_base(matrix);
        let same: Vec<bool> = rounded.iter().zip(&matrix.values[1]).map(|(b, c)| *b == f64::from(*c)).collect();
        if same.iter().all(|&s| s) {
            continue;
        }
        // A few places alone say nothing about a matrix.
        let (size, untouched) = outside_lines(&same, matrix.shape, numbers.line);
        if size * 10 >= same.len() {
            outside += size;
            equal += untouched;
            least = least.min(untouched as f64 / size as f64);
        }
        if donors > 0 && !copied(matrix, numbers.line) {
            changes.add(matrix, &same, step);
        }
    }
    if outside == 0 || (donors > 0 && changes.all.is_empty()) {
        return None;
    }
    let far: Vec<usize> = (0..changes.all.len()).filter(|&i| changes.is_resolved(i, numbers.resolved)).collect();
    let resolved = far.len() as f64 / changes.all.len().max(1) as f64;
    Some(Traces { untouched: equal as f64 / outside as f64, least, resolved, donors: changes.donated(&far, numbers) })
}

/// The base as it would be in the child's dtype.
fn rounded_base(matrix: &MatrixSample) -> Vec<f64> {
    let dtype = matrix.dtypes[1];
    matrix.values[0].iter().map(|&b| if dtype == matrix.dtypes[0] { f64::from(b) } else { rounded(b, dtype) }).collect()
}

/// The distance of neighboring values of a dtype at a value.
fn spacing(value: f64, dtype: Dtype) -> f64 {
    let digits = dtype.digits().unwrap_or(24) as i32;
    // The least normal exponent; below it the spacing stays the same.
    let lowest = if dtype == Dtype::F16 { -14 } else { -126 };
    let exponent = if value == 0.0 { lowest } else { (value.abs().log2().floor() as i32).max(lowest) };
    2f64.powi(exponent - digits + 1)
}

/// A value rounded to a dtype, to nearest with ties to even.
fn rounded(value: f32, dtype: Dtype) -> f64 {
    let spacing = spacing(f64::from(value), dtype);
    (f64::from(value) / spacing).round_ties_even() * spacing
}

/// Number of values outside lines that are nearly all the same, and how many of these are the same.
///
/// Dead inputs and dead neurons keep whole lines. A mask keeps values everywhere.
fn outside_lines(same: &[bool], [rows, columns]: [usize; 2], line: f64) -> (usize, usize) {
    let mut by_column = vec![0usize; columns];
    let mut by_row = vec![0usize; rows];
    for (i, _) in same.iter().enumerate().filter(|(_, s)| **s) {
        by_row[i / columns] += 1;
        by_column[i % columns] += 1;
    }
    let whole = |count: usize, length: usize| count as f64 >= line * length as f64;
    let (mut size, mut equal) = (0, 0);
    for (r, row) in same.chunks(columns).enumerate().filter(|(r, _)| !whole(by_row[*r], columns)) {
        debug_assert!(r < rows);
        for (_, same) in row.iter().enumerate().filter(|(c, _)| !whole(by_column[*c], rows)) {
            size += 1;
            equal += usize::from(*same);
        }
    }
    (size, equal)
}

/// Whether nearly all values of the child are those of one donor: a tensor that was not trained, or taken over whole.
fn copied(matrix: &MatrixSample, line: f64) -> bool {
    let child = &matrix.values[1];
    matrix.values[2..].iter().enumerate().any(|(d, donor)| {
        let unlike = matrix.dtypes[1] != matrix.dtypes[d + 2];
        let equal = |(c, p): &(&f32, &f32)| {
            f64::from(**c) == if unlike { rounded(**p, matrix.dtypes[1]) } else { f64::from(**p) }
        };
        child.iter().zip(donor).filter(equal).count() as f64 >= line * child.len() as f64
    })
}

impl Changes {
    /// Adds every `step`-th value that changed.
    fn add(&mut self, matrix: &MatrixSample, same: &[bool], step: usize) {
        let (base, child, dtype) = (&matrix.values[0], &matrix.values[1], matrix.dtypes[1]);
        for i in (0..same.len()).step_by(step).filter(|&i| !same[i]) {
            let moved = f64::from(child[i]) - f64::from(base[i]);
            // Tools may compute in the dtype that they store, and round each increment.
            let roundoff = spacing(1.0, dtype) / 2.0;
            let tolerance = spacing(f64::from(child[i]), dtype) + roundoff * moved.abs();
            self.all.push(Change { moved, tolerance });
            for (increments, donor) in self.increments.iter_mut().zip(&matrix.values[2..]) {
                increments.push(f64::from(donor[i]) - f64::from(base[i]));
            }
        }
    }

    /// Whether a value moved so far that it cannot be met by chance.
    fn is_resolved(&self, i: usize, times: f64) -> bool {
        self.all[i].moved.abs() >= times * self.all[i].tolerance
    }

    /// What the child has of each donor, at the changed values `far`.
    fn donated(&self, far: &[usize], numbers: &Masked) -> Vec<Donated> {
        let factors: Vec<f64> = self.increments.iter().map(|increments| self.factor(far, increments)).collect();
        let hit = |d: usize, i: usize| {
            (self.all[i].moved - factors[d] * self.increments[d][i]).abs() <= self.all[i].tolerance
        };
        let donors = self.increments.len();
        // Counts of the places that one donor alone explains, and sums of products there.
        let mut alone = vec![0usize; donors];
        let mut squares = vec![0.0; donors];
        let mut products = vec![vec![0.0; donors]; donors];
        let mut lengths = vec![vec![0.0; donors]; donors];
        for &i in far {
            let mut hits = (0..donors).filter(|&d| hit(d, i));
            if let (Some(d), None) = (hits.next(), hits.next()) {
                alone[d] += 1;
                squares[d] += self.all[i].moved * self.all[i].moved;
                for (other, increments) in self.increments.iter().enumerate() {
                    products[d][other] += self.all[i].moved * increments[i];
                    lengths[d][other] += increments[i] * increments[i];
                }
            }
        }
        // A child of the merge has the merge's change and its own. So it goes along by all of the change, and in its direction.
        let follows = |d: usize, other: usize| {
            let product: f64 = products[d][other];
            let slope = if squares[d] > 0.0 { product / squares[d] } else { 0.0 };
            let along = product >= numbers.along * (squares[d] * lengths[d][other]).sqrt();
            (1.0 - slope).abs() <= numbers.follows && along
        };
        let strong = |d: usize| alone[d] as f64 >= numbers.share * far.len() as f64 && alone[d] > 0;
        let of = |d: usize| Donated {
            share: alone[d] as f64 / far.len().max(1) as f64,
            factor: factors[d],
            followed: (0..donors).any(|other| other != d && strong(other) && follows(d, other)),
        };
        (0..donors).map(of).collect()
    }

    /// The factor that most of the changed values have to the increments of a donor; 1 where none stands out.
    fn factor(&self, far: &[usize], increments: &[f64]) -> f64 {
        let relative = |i: usize| self.all[i].tolerance / self.all[i].moved.abs();
        let mut precise: Vec<(f64, f64)> = far
            .iter()
            .map(|&i| (relative(i), self.all[i].moved / increments[i]))
            .filter(|(_, ratio)| (1.0 / LARGEST..=LARGEST).contains(ratio))
            .collect();
        // The more precise half makes a sharper peak.
        precise.sort_by(|a, b| a.0.total_cmp(&b.0));
        precise.truncate(precise.len().div_ceil(2));
        let Some(&(width, _)) = precise.last() else { return 1.0 };
        let mut logs: Vec<f64> = precise.iter().map(|(_, ratio)| ratio.ln()).collect();
        logs.sort_by(f64::total_cmp);
        let (mut begin, mut best) = (0, 0..0);
        for end in 0..logs.len() {
            while logs[end] - logs[begin] > width {
                begin += 1;
            }
            if end + 1 - begin > best.len() {
                best = begin..end + 1;
            }
        }
        let (least, largest) = (logs[best.start], logs[best.end - 1]);
        // Within the peak, precise ratios count more.
        let within = precise.iter().filter(|(_, ratio)| (least..=largest).contains(&ratio.ln()));
        let (sum, weight) = within
            .fold((0.0, 0.0), |(sum, weight), (off, ratio)| (sum + ratio / (off * off), weight + 1.0 / (off * off)));
        let middle = sum / weight;
        // 1 is what increments have that were not scaled, so that a peak beside it is looked for there.
        if (middle - 1.0).abs() <= width { 1.0 } else { middle }
    }
}

/// The largest factor, and the inverse of the least one.
const LARGEST: f64 = 20.0;

#[cfg(test)]
mod tests;
