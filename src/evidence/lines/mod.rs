//! Rows and columns that are an exact multiple of what they were, because no gradient ever reached them.

mod imprint;
mod plan;
mod removal;
mod run;
mod sums;

pub use imprint::Imprint;
pub(super) use run::RunSums;
pub(super) use sums::{LineTotals, LineWork, Part, Piece};

use crate::error::Error;
use crate::geometry::{Geometry, LineRequest, MemberSums};
use crate::kernel::median;
use crate::model_set::{ModelId, Position};
use crate::source::Dtype;
use removal::projections;

/// The relative residual below which a line is an exact multiple.
///
/// f32 rounding over some thousand steps of weight decay stays below it.
const EXACT: f64 = 1e-5;

/// The relative residual above which a line was clearly trained, and not only rounded when it was stored.
///
/// It is some ten times the rounding of the coarser of the two dtypes.
fn changed(dtypes: [Option<Dtype>; 2]) -> f64 {
    let of = |dtype: Option<Dtype>| match dtype.and_then(Dtype::digits) {
        Some(..=4) => 0.3,
        Some(5..=8) => 1e-2,
        Some(9..=11) => 1e-3,
        _ => 1e-4,
    };
    dtypes.into_iter().map(of).fold(0.0, f64::max)
}

/// The share of the memory setting that lines take which are kept for later.
const KEPT: u64 = 4;

/// The same where a model was quantized in known steps.
const QUANTIZED: f64 = 0.3;

/// The same in units of the noise of rounding, where values show it.
const ROUNDINGS: f64 = 10.0;

/// How one line of a member relates to the same line of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineState {
    /// It is a multiple of the reference's line: the relative residual is below 1e-5.
    Exact,
    /// It is neither exact nor changed: it was rounded when it was stored, or hardly trained.
    Between,
    /// It was trained: the relative residual is above 1e-4.
    ///
    /// The bound is 1e-3 where one of the two is stored in F16, 1e-2 in BF16 and 0.3 in eight bits.
    Changed,
}

/// A median factor, and the scatter around it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Factor {
    /// The median factor. For an even number of factors, it is the mean of the two in the middle.
    pub median: f64,
    /// The median of the absolute differences from `median`.
    pub deviation: f64,
}

/// Rows and columns of matrices in some members, each compared with the same line of a reference.
///
/// Let r be a line of the reference and m the same line of a member. Then `s = ⟨m, r⟩ / ‖r‖²`, and the relative residual is
/// `‖m − s·r‖ / ‖m‖`. Both come from sums of `Δ = m − r` in f64. Dead inputs, and tokens that a corpus never shows, have no
/// gradient. Training multiplies their lines by `Π (1 − η_t λ)` and so leaves them *exact*. If one model was trained on from
/// another, it keeps only lines that the earlier one kept.
///
/// Lines are rows and columns of at least 8 values. They belong to the parameters of
/// [`Kind::Matrix`](crate::model_set::Kind::Matrix) that the reference and all members hold, flattened to (rows, row_size).
/// Lines where the reference is zero are left out. There are at most 65,536 lines, and proportionally fewer for more than 256
/// members. If there would be more, an even sample is taken. It depends on shapes and the number of members alone. A member's
/// [`Position`] is that in the list given.
///
/// # Fails when
///
/// Values are stored in 16 bits or fewer. Rounding of 2⁻⁹ or 2⁻¹¹ then leaves only those lines exact that did not change at
/// all.
///
/// ```
/// use neural_phylogeny::evidence::LineState;
/// use neural_phylogeny::geometry::{Geometry, GeometrySettings};
/// use neural_phylogeny::model_set::Position;
/// use neural_phylogeny::{InMemory, ModelId, ModelSet};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let noise = |seed: u64| {
/// #     let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
/// #     std::iter::repeat_with(move || { x ^= x << 13; x ^= x >> 7; x ^= x << 17; (x >> 40) as f32 / 8388608.0 - 1.0 })
/// # };
/// # let base: Vec<f32> = noise(1).take(4096).collect();
/// # let tuned = base.iter().zip(noise(2)).map(|(w, e)| w + 0.1 * e).collect();
/// # let stranger = noise(9).take(4096).collect();
/// # let model = |weights| InMemory::new().with_parameter("fc.weight", [64, 64], weights);
/// let models = ModelSet::from_models([
///     ("base", model(base)?), ("tuned", model(tuned)?), ("stranger", model(stranger)?),
/// ])?;
/// let [base, tuned, stranger] = [0, 1, 2].map(ModelId::new);
/// let geometry = Geometry::compute(&models, &GeometrySettings::new())?;
/// let lines = geometry.read_lines(base, &[tuned, base])?.ok_or("the values are not at hand")?;
/// // Training changed every row and column of `tuned`.
/// assert_eq!(lines.len(), 128);
/// let [tuned, base] = [0, 1].map(Position::new);
/// assert_eq!(lines.count(tuned, LineState::Exact), 0);
/// assert_eq!(lines.count(base, LineState::Exact), 128);
/// # let _ = stranger;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Lines {
    members: Vec<ModelId>,
    lines: usize,
    of: Vec<MemberLines>,
}

/// The lines of one member.
#[derive(Clone, Debug, Default)]
struct MemberLines {
    states: Vec<LineState>,
    /// The factors of the exact lines, in the order of lines.
    factors: Vec<f64>,
    imprints: Vec<Imprint>,
    /// For each matrix that says anything, whether it may be that of the reference without some directions, or the reverse.
    projections: Vec<bool>,
}

impl Geometry {
    /// Reads a reference and some members once more, and finds the rows and columns that are multiples of the reference's.
    ///
    /// This reads every value of every member, which may be terabytes. From sketches no model is read: they keep random sums of
    /// a sample of lines, which show nearly the same. The result is `None` when neither values nor sketches are at hand.
    ///
    /// # Errors
    ///
    /// [`Error::NotComparable`] when models are not of one group. [`Error::Source`] for a model that cannot be read any more.
    ///
    /// # Complexity
    ///
    /// One read of each member, and one of the reference for as many members as fit the memory.
    pub fn read_lines(&self, reference: ModelId, members: &[ModelId]) -> Result<Option<Lines>, Error> {
        Ok(self.read_all_lines(&[LineRequest { reference, members }])?.pop().flatten())
    }

    /// Finds the lines of several references in one pass. Each model is read once for as many requests as fit the memory.
    ///
    /// # Errors
    ///
    /// Those of [`read_lines`](Self::read_lines).
    pub(crate) fn read_all_lines(&self, requests: &[LineRequest<'_>]) -> Result<Vec<Option<Lines>>, Error> {
        self.read_lines_beside(requests, &[])
    }

    /// Returns the number of members whose lines a quarter of the memory setting holds, for models of the layout of `model`.
    pub(crate) fn room_for_lines(&self, model: ModelId) -> usize {
        let (Some(evidence), Some(listed)) = (self.evidence(), self.listed(model)) else { return 0 };
        // A state for each line, and a factor for each that is exact. Each matrix has two axes.
        let line = size_of::<LineState>() + size_of::<f64>();
        let matrices = listed.iter().filter(|info| info.shape.len() > 1);
        let lines = matrices.clone().map(|info| info.shape[0] + info.size() / info.shape[0].max(1)).sum::<usize>();
        let member = line * lines.min(plan::MOST) + 2 * size_of::<Imprint>() * matrices.count();
        usize::try_from(evidence.memory() / KEPT).unwrap_or(usize::MAX) / member.max(1)
    }

    /// Finds the lines of several references, and in the same pass the increments of some pairs that are likely to be asked for.
    ///
    /// # Errors
    ///
    /// Those of [`read_lines`](Self::read_lines).
    pub(crate) fn read_lines_beside(
        &self,
        requests: &[LineRequest<'_>],
        beside: &[(ModelId, ModelId)],
    ) -> Result<Vec<Option<Lines>>, Error> {
        let mut found: Vec<Option<Lines>> = vec![None; requests.len()];
        let Some(evidence) = self.evidence() else { return Ok(found) };
        // Fewer stored digits mean more rounding, so the bound depends on the dtypes of both.
        // So do few levels, which a dtype does not tell.
        let quantized = |m: ModelId| -> Result<f64, Error> {
            Ok(if self.is_quantized(m) { QUANTIZED } else { ROUNDINGS * evidence.own_noise(m)? })
        };
        evidence.line_sums(requests, beside, &mut |request, first, sums| {
            let LineRequest { reference, members } = requests[request];
            let of_reference = quantized(reference)?;
            let lines = found[request].get_or_insert_with(|| Lines::new(members));
            if first == 0 {
                // A line of zeros has no factor.
                lines.lines += sums.reference.iter().filter(|&&rr| rr > 0.0).count();
            }
            for (place, sums_of) in (first..).zip(&sums.members) {
                let member = members[place];
                let dtypes = [self.dtype(reference), self.dtype(member)];
                let above = changed(dtypes).max(of_reference).max(quantized(member)?);
                let of = &mut lines.of[place];
                of.add(&sums.reference, sums_of, above);
                of.imprints.extend(Imprint::all(&sums, sums_of, dtypes));
                of.projections.extend(projections(&sums, sums_of, imprint::rounding(dtypes).powi(2)));
            }
            Ok(())
        })?;
        Ok(found)
    }
}

impl Lines {
    /// The lines of some members, of which none is classified yet.
    fn new(members: &[ModelId]) -> Self {
        Self { members: members.to_vec(), lines: 0, of: vec![MemberLines::default(); members.len()] }
    }

    /// The number of lines compared.
    pub fn len(&self) -> usize {
        self.lines
    }

    /// Whether there is no line to compare.
    pub fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// The members, in the order given.
    pub fn members(&self) -> &[ModelId] {
        &self.members
    }

    /// The state of each line in a member.
    ///
    /// # Panics
    ///
    /// Panics when `member` is out of range. The same holds for all methods that take a member.
    pub fn states(&self, member: Position<Self>) -> &[LineState] {
        &self.of[member.index()].states
    }

    /// The number of a member's lines that are in a state.
    pub fn count(&self, member: Position<Self>, state: LineState) -> usize {
        self.of[member.index()].states.iter().filter(|&&s| s == state).count()
    }

    /// The factor `s` of a member's exact lines; `None` when no line is exact.
    pub fn factor(&self, member: Position<Self>) -> Option<Factor> {
        Factor::new(self.of[member.index()].factors.clone())
    }

    /// How lines grew from the reference to a member: in each matrix, along rows and along columns.
    ///
    /// Axes with fewer than 8 lines that changed are left out, and lines that changed by no more than rounding may. From sketches
    /// there are none: a few random sums of a line are too rough.
    pub fn imprints(&self, member: Position<Self>) -> &[Imprint] {
        &self.of[member.index()].imprints
    }

    /// Whether some directions may have been taken out of one of the two, a member and the reference, to give the other.
    ///
    /// It is a look at sums of lines, which other changes can pass. From sketches it is false.
    pub(crate) fn projected(&self, member: Position<Self>) -> bool {
        let projections = &self.of[member.index()].projections;
        !projections.is_empty() && projections.iter().all(|&fits| fits)
    }

    /// Frees the memory of [`imprints`](Self::imprints), 32 bytes for each axis of each matrix of each member.
    pub(crate) fn without_imprints(mut self) -> Self {
        self.of.iter_mut().for_each(|member| member.imprints = Vec::new());
        self
    }

    /// The number of lines that b kept exactly and a clearly changed. If there are any, b was not trained on from a.
    pub fn kept_in_b_changed_in_a(&self, a: Position<Self>, b: Position<Self>) -> usize {
        let states = self.of[a.index()].states.iter().zip(&self.of[b.index()].states);
        states.filter(|&s| s == (&LineState::Changed, &LineState::Exact)).count()
    }

    /// The number of lines that b kept exactly and a did not, even if a was only rounded.
    pub fn kept_in_b_not_in_a(&self, a: Position<Self>, b: Position<Self>) -> usize {
        let states = self.of[a.index()].states.iter().zip(&self.of[b.index()].states);
        states.filter(|&(&a, &b)| a != LineState::Exact && b == LineState::Exact).count()
    }

    /// The number of lines that are exact in both.
    pub fn exact_in_both(&self, a: Position<Self>, b: Position<Self>) -> usize {
        self.both(a, b).count()
    }

    /// The ratio `s_b / s_a` over the lines that are exact in both and not zero in a; `None` when there is no such line.
    pub fn ratio(&self, a: Position<Self>, b: Position<Self>) -> Option<Factor> {
        Factor::new(self.both(a, b).filter(|&(s, _)| s != 0.0).map(|(s_a, s_b)| s_b / s_a).collect())
    }

    /// The factors of both for each line that is exact in both.
    fn both(&self, a: Position<Self>, b: Position<Self>) -> impl Iterator<Item = (f64, f64)> {
        self.of[a.index()].all_factors().zip(self.of[b.index()].all_factors()).filter_map(|(a, b)| Some((a?, b?)))
    }
}

impl MemberLines {
    /// Classifies further lines of one member. `changed` is the bound of [`LineState::Changed`].
    fn add(&mut self, reference: &[f64], member: &MemberSums, changed: f64) {
        let sums = reference.iter().zip(&member.reference_change).zip(&member.change);
        for ((&rr, &rd), &dd) in sums.filter(|((rr, _), _)| **rr > 0.0) {
            let (state, factor) = line(rr, rd, dd, changed);
            self.states.push(state);
            if state == LineState::Exact {
                self.factors.push(factor);
            }
        }
    }

    /// The factor of each line that is exact; `None` for other lines.
    fn all_factors(&self) -> impl Iterator<Item = Option<f64>> {
        let mut factors = self.factors.iter();
        self.states.iter().map(move |&s| if s == LineState::Exact { factors.next().copied() } else { None })
    }
}

/// The state and the factor of one line, from its sums.
///
/// With m = r + Δ, `s = 1 + ⟨r, Δ⟩ / ‖r‖²`. The residual is that of Δ, which loses no digits where s is near 1.
fn line(rr: f64, rd: f64, dd: f64, changed: f64) -> (LineState, f64) {
    let change = rd / rr;
    let factor = 1.0 + change;
    let residual = (dd - change * rd).max(0.0);
    let relative = (residual / (factor * factor * rr + residual)).sqrt();
    let state = match relative {
        // A line set to zero gives 0 / 0, and it is a multiple too.
        r if r < EXACT || r.is_nan() => LineState::Exact,
        r if r > changed => LineState::Changed,
        _ => LineState::Between,
    };
    (state, factor)
}

impl Factor {
    /// The median and the deviation of some factors; `None` without factors.
    fn new(mut values: Vec<f64>) -> Option<Self> {
        let middle = median(&mut values)?;
        values.iter_mut().for_each(|x| *x = (*x - middle).abs());
        Some(Self { median: middle, deviation: median(&mut values)? })
    }
}
