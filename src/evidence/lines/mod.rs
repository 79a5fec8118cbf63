//! Rows and columns that are an exact multiple of what they were: no gradient ever reached them.

mod plan;
mod sums;

pub(super) use sums::sums;

use crate::error::Error;
use crate::geometry::{Geometry, LineSums, MemberSums};
use crate::kernel::median;
use crate::model_set::ModelId;
use crate::source::Dtype;

/// Below this relative residual a line is an exact multiple; f32 rounding of some thousand steps of weight decay stays under it.
const EXACT: f64 = 1e-5;

/// Above this a line has clearly been trained, and was not only rounded when it was stored: some ten times the rounding of the
/// coarser of the two dtypes.
fn changed(dtypes: [Option<Dtype>; 2]) -> f64 {
    let of = |dtype: Option<Dtype>| match dtype.and_then(Dtype::digits) {
        Some(..=4) => 0.3,
        Some(5..=8) => 1e-2,
        Some(9..=11) => 1e-3,
        _ => 1e-4,
    };
    dtypes.into_iter().map(of).fold(0.0, f64::max)
}

/// What became of one line of the reference in one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineState {
    /// A multiple of the reference's line: relative residual below 1e-5.
    Exact,
    /// Neither: rounded when it was stored, or hardly trained.
    Between,
    /// Relative residual above 1e-4; above 1e-3 where one of the two is stored in F16, 1e-2 in BF16, 0.3 in eight bits.
    Changed,
}

/// A median factor and its median absolute deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Factor {
    /// The median; of an even number of factors the mean of the two in the middle.
    pub median: f64,
    /// Median of the absolute differences from it.
    pub deviation: f64,
}

/// Rows and columns of matrices in some members, each against the same line of a reference.
///
/// For line r of the reference and m of a member, `s = ⟨m, r⟩ / ‖r‖²` and the relative residual is `‖m − s·r‖ / ‖m‖`, from sums
/// of `Δ = m − r` in f64. Dead inputs and tokens that a corpus never shows have no gradient: training multiplies their lines by
/// `Π (1 − η_t λ)` and leaves them *exact*; two models that trained on from one another keep what the earlier one kept.
///
/// Lines are the rows and columns, of at least 8 values, of parameters of [`Kind::Matrix`](crate::model_set::Kind::Matrix) that reference
/// and members hold, flattened to (rows, row_size); lines where the reference is zero are left out. Of more than 65,536, or for
/// more than 256 members proportionally fewer, an even sample is taken, which depends on shapes and the number of members
/// alone. Members are numbered as they were given.
///
/// # Fails when
///
/// Values are stored in 16 bits or fewer: rounding of 2⁻⁹ or 2⁻¹¹ leaves no line exact but those that did not change at all.
#[derive(Clone, Debug)]
pub struct Lines {
    members: Vec<ModelId>,
    lines: usize,
    of: Vec<MemberLines>,
}

#[derive(Clone, Debug, Default)]
struct MemberLines {
    states: Vec<LineState>,
    /// Of exact lines, in the order of lines.
    factors: Vec<f64>,
}

impl Geometry {
    /// Reads a reference and some members once more and tells which rows and columns are multiples of the reference's.
    ///
    /// It may read terabytes: every value of every member. From sketches no model is read: they keep random sums of a sample of
    /// lines, which tell nearly the same. Gives `None` when neither values nor sketches are at hand.
    ///
    /// # Errors
    ///
    /// [`Error::NotComparable`] when they are not of one group, [`Error::Source`] for a model that cannot be read any more.
    ///
    /// # Complexity
    ///
    /// One read of each member, and of the reference for every 8 of them.
    pub fn read_lines(&self, reference: ModelId, members: &[ModelId]) -> Result<Option<Lines>, Error> {
        let Some(evidence) = self.evidence() else { return Ok(None) };
        let Some(sums) = evidence.line_sums(reference, members)? else { return Ok(None) };
        let above: Vec<f64> = members.iter().map(|&m| changed([self.dtype(reference), self.dtype(m)])).collect();
        Ok(Some(Lines::new(members, &above, &sums)))
    }
}

impl Lines {
    fn new(members: &[ModelId], changed: &[f64], sums: &LineSums) -> Self {
        let lines = sums.reference.iter().filter(|&&rr| rr > 0.0).count();
        let of = sums.members.iter().zip(changed).map(|(m, c)| MemberLines::new(&sums.reference, m, *c)).collect();
        Self { members: members.to_vec(), lines, of }
    }

    /// Number of lines looked at.
    pub fn len(&self) -> usize {
        self.lines
    }

    /// Whether there is no line to look at.
    pub fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// The members, as they were given.
    pub fn members(&self) -> &[ModelId] {
        &self.members
    }

    /// What became of each line in a member.
    ///
    /// # Panics
    ///
    /// When `member` is out of range, as do all methods that take one.
    pub fn states(&self, member: usize) -> &[LineState] {
        &self.of[member].states
    }

    /// How many lines of a member are in a state.
    pub fn count(&self, member: usize, state: LineState) -> usize {
        self.of[member].states.iter().filter(|&&s| s == state).count()
    }

    /// `s` of a member's exact lines; `None` when no line is.
    pub fn factor(&self, member: usize) -> Option<Factor> {
        Factor::new(self.of[member].factors.clone())
    }

    /// Lines that b kept exactly and a clearly changed: b cannot have been trained on from a.
    pub fn kept_in_b_changed_in_a(&self, a: usize, b: usize) -> usize {
        let states = self.of[a].states.iter().zip(&self.of[b].states);
        states.filter(|&s| s == (&LineState::Changed, &LineState::Exact)).count()
    }

    /// Lines that b kept exactly and a did not, be it for rounding alone.
    pub fn kept_in_b_not_in_a(&self, a: usize, b: usize) -> usize {
        let states = self.of[a].states.iter().zip(&self.of[b].states);
        states.filter(|&(&a, &b)| a != LineState::Exact && b == LineState::Exact).count()
    }

    /// Lines exact in both.
    pub fn exact_in_both(&self, a: usize, b: usize) -> usize {
        self.both(a, b).count()
    }

    /// `s_b / s_a` over the lines that are exact in both and not zero in a; `None` when there is none.
    pub fn ratio(&self, a: usize, b: usize) -> Option<Factor> {
        Factor::new(self.both(a, b).filter(|&(s, _)| s != 0.0).map(|(s_a, s_b)| s_b / s_a).collect())
    }

    fn both(&self, a: usize, b: usize) -> impl Iterator<Item = (f64, f64)> {
        self.of[a].all_factors().zip(self.of[b].all_factors()).filter_map(|(a, b)| Some((a?, b?)))
    }
}

impl MemberLines {
    fn new(reference: &[f64], member: &MemberSums, changed: f64) -> Self {
        let mut found = Self::default();
        let sums = reference.iter().zip(&member.reference_change).zip(&member.change);
        for ((&rr, &rd), &dd) in sums.filter(|((rr, _), _)| **rr > 0.0) {
            let (state, factor) = line(rr, rd, dd, changed);
            found.states.push(state);
            if state == LineState::Exact {
                found.factors.push(factor);
            }
        }
        found
    }

    /// For each line its factor when it is exact.
    fn all_factors(&self) -> impl Iterator<Item = Option<f64>> {
        let mut factors = self.factors.iter();
        self.states.iter().map(move |&s| if s == LineState::Exact { factors.next().copied() } else { None })
    }
}

/// With m = r + Δ: `s = 1 + ⟨r, Δ⟩ / ‖r‖²`, and the residual is that of Δ, which loses no digits where s is near 1.
fn line(rr: f64, rd: f64, dd: f64, changed: f64) -> (LineState, f64) {
    let change = rd / rr;
    let factor = 1.0 + change;
    let residual = (dd - change * rd).max(0.0);
    let relative = (residual / (factor * factor * rr + residual)).sqrt();
    let state = match relative {
        // A line set to zero is a multiple too, and 0 / 0.
        r if r < EXACT || r.is_nan() => LineState::Exact,
        r if r > changed => LineState::Changed,
        _ => LineState::Between,
    };
    (state, factor)
}

impl Factor {
    fn new(mut values: Vec<f64>) -> Option<Self> {
        let middle = median(&mut values)?;
        values.iter_mut().for_each(|x| *x = (*x - middle).abs());
        Some(Self { median: middle, deviation: median(&mut values)? })
    }
}
