//! Value-level evidence for one pair of models, which inner products cannot give.

mod compare;
mod grid;
mod look;
mod parameter;
mod rounding;
mod tally;

pub(super) use compare::{PAIR, compare};
pub(super) use look::may_lie_on_grid;
pub(super) use rounding::unit_roundoff;

use crate::error::Error;
use crate::geometry::{Geometry, PairEvidence, ParameterEvidence, Zeros};
use crate::model_set::ModelId;
use crate::source::Dtype;
use rounding::CASTS;
use std::sync::Arc;

/// The most relative residual along a common factor that leaves two models multiples of one another.
const MULTIPLE: f64 = 1e-5;

/// The most of a scaled parameter's movement that is not along the factor, as a share.
const OFF_FACTOR: f64 = 0.05;

/// The most that storing a parameter in another dtype moves it, as a share of its norm. BF16 moves a value by at most 2⁻⁹ of it.
const STORED: f64 = 1.0 / 256.0;

/// The least share of zeroed values that counts as pruning.
const PRUNED: f64 = 0.01;

impl Zeros {
    /// The zeros of two models that were compared.
    pub(crate) fn of(pair: &PairEvidence) -> Self {
        let sum = |of: fn(&ParameterEvidence) -> usize| pair.parameters.iter().map(of).sum();
        Self { of: [sum(|p| p.zeros_a), sum(|p| p.zeros_b)], values: pair.size() }
    }

    /// Whether the second model has so many more zeros than the first that some of its values may have been set to zero.
    pub(crate) fn may_be_pruned(self) -> bool {
        let [of_a, of_b] = self.of;
        of_b > of_a && (of_b - of_a) as f64 >= PRUNED * self.values as f64
    }
}

impl Geometry {
    /// Reads two models once more and compares their values, b against a.
    ///
    /// This reads every value of both, some of them twice, which may be terabytes. The result is cached, so a second call reads
    /// nothing. It is `None` when values are not at hand.
    ///
    /// # Errors
    ///
    /// - [`Error::NotComparable`] when the models are not of one group.
    /// - [`Error::Source`] for a model that cannot be read any more.
    ///
    /// # Complexity
    ///
    /// One read of both models, partly more for tensors on a grid, and a second read of tensors whose increment is of low rank.
    /// Ranks take 8 additions per value and 136² operations per row of these tensors, and of some 272 rows of each other
    /// matrix.
    pub fn read_pair(&self, a: ModelId, b: ModelId) -> Result<Option<Arc<PairEvidence>>, Error> {
        Ok(self.read_pairs(&[(a, b)])?.pop().flatten())
    }

    /// Reads some pairs of models (a, b) once more and compares their values, as [`read_pair`](Self::read_pair) does.
    ///
    /// Each model is read once for as many pairs as memory allows, and a second time where the rank of an increment is low.
    ///
    /// # Errors
    ///
    /// Those of [`read_pair`](Self::read_pair).
    pub fn read_pairs(&self, pairs: &[(ModelId, ModelId)]) -> Result<Vec<Option<Arc<PairEvidence>>>, Error> {
        self.evidence().map_or_else(|| Ok(vec![None; pairs.len()]), |evidence| evidence.pairs(pairs))
    }
}

impl PairEvidence {
    /// The evidence of each parameter that both hold, sorted by name.
    pub fn parameters(&self) -> &[ParameterEvidence] {
        &self.parameters
    }

    /// The number of values compared.
    pub fn size(&self) -> usize {
        self.parameters.iter().map(|p| p.size).sum()
    }

    /// The names of the parameters that differ, sorted.
    pub fn changed(&self) -> impl Iterator<Item = &str> {
        self.altogether_changed().map(|p| p.name.as_str())
    }

    /// The names of the parameters that are the same, sorted.
    pub fn untouched(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().filter(|p| p.is_untouched()).map(|p| p.name.as_str())
    }

    /// The parameters that differ, sorted by name.
    fn altogether_changed(&self) -> impl Iterator<Item = &ParameterEvidence> {
        self.parameters.iter().filter(|p| !p.is_untouched())
    }

    /// Whether all compared values are the same, bit for bit.
    pub fn identical(&self) -> bool {
        self.altogether_changed().next().is_none()
    }

    /// The dtype that b is a rounded to, if there is one.
    ///
    /// It must hold for every value of every parameter that changed. If several dtypes fit, the result is the finer.
    pub fn is_cast(&self) -> Option<Dtype> {
        let is_cast = |d: &Dtype| self.altogether_changed().all(|p| p.cast_mismatches(*d) == Some(0));
        CASTS.into_iter().find(|d| !self.identical() && is_cast(d))
    }

    /// The bits of the grid that every changed parameter of b was rounded to. If they differ, the result is the fewest.
    pub fn quantized_bits(&self) -> Option<u32> {
        let bits: Option<Vec<u32>> = self.altogether_changed().map(|p| p.grid.map(|g| g.bits)).collect();
        bits?.into_iter().min()
    }

    /// How far b is from a, in units of what its quantization explains.
    ///
    /// It is the root of `Σ ‖b − a‖²` over the sum of expected squared errors, both over the changed parameters that were
    /// quantized in known steps. Near 1, b is a in fewer bits. Methods that choose codes by more than the nearest value move
    /// weights up to twice as far. The result is `None` when there is no such parameter, or when another parameter changed by more
    /// than its storage in a coarser dtype explains.
    pub fn rounding_ratio(&self) -> Option<f64> {
        let (mut moved, mut expected) = (0.0, 0.0);
        for p in self.altogether_changed() {
            match p.rounding {
                Some(rounding) => {
                    moved += p.squared_distance;
                    expected += rounding * rounding * p.size as f64;
                }
                None if p.squared_distance > STORED * STORED * p.squared_norm_a => return None,
                None => {}
            }
        }
        (expected > 0.0).then(|| (moved / expected).sqrt())
    }

    /// The share of a's values that b has set to zero.
    ///
    /// The result is `None` when the share is below 1 %, or when any other value changed. The detector of lineages judges pruning
    /// from distances instead, because it tests all pairs and reads none.
    pub fn pruned_share(&self) -> Option<f64> {
        let zeroed: usize = self.parameters.iter().map(|p| p.zeroed).sum();
        let share = zeroed as f64 / self.size().max(1) as f64;
        (share >= PRUNED && self.parameters.iter().all(|p| p.altered == 0)).then_some(share)
    }

    /// The share of a's values that b has set to zero, where all others are those of a, rounded to a dtype.
    ///
    /// The result is `None` when the share is below 1 %, or when other values changed by more than one dtype rounds.
    pub(crate) fn pruned_and_cast_share(&self) -> Option<f64> {
        let zeroed: usize = self.parameters.iter().map(|p| p.zeroed).sum();
        let share = zeroed as f64 / self.size().max(1) as f64;
        // A value that was set to zero is no rounded one, so that it is among those that no cast explains.
        let explained = |p: &ParameterEvidence, d: Dtype| p.cast_mismatches(d).is_some_and(|n| n <= p.zeroed);
        let is_cast = |d: Dtype| self.altogether_changed().all(|p| explained(p, d));
        (share >= PRUNED && CASTS.into_iter().any(is_cast)).then_some(share)
    }

    /// The factor, when each changed parameter of b is that of a times a factor.
    ///
    /// The residual `‖b − s_t a‖` may be at most `1e-5 ‖b‖`, or what b's dtype rounds off when that is more. It may also be at
    /// most 5 % of the movement. If factors differ, the result is their median, weighted by size. The detector of lineages judges
    /// scaling from distances instead, because it tests all pairs and reads none.
    pub fn scaled(&self) -> Option<f64> {
        let factor = |p: &ParameterEvidence| {
            let close = p.residual <= MULTIPLE.max(p.roundoff);
            // A model that hardly moved is near a multiple in any case, so most of the movement must be along the factor.
            let along = p.residual * p.squared_norm_b.sqrt() <= OFF_FACTOR * p.squared_distance.sqrt();
            p.factor.filter(|_| close && along).map(|s| (s, p.size))
        };
        let mut factors: Vec<(f64, usize)> = self.altogether_changed().map(factor).collect::<Option<_>>()?;
        factors.sort_by(|a, b| a.0.total_cmp(&b.0));
        // The median is weighted by size, so that a few small vectors do not decide the factor.
        let half = factors.iter().map(|f| f.1).sum::<usize>().div_ceil(2);
        let mut before = 0;
        factors.into_iter().find_map(|(s, size)| {
            before += size;
            (before >= half).then_some(s)
        })
    }
}
