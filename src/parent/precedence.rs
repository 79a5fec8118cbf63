use super::{ParentSelector, PrecedenceWeights, SmallestNorm};
use crate::error::Error;
use crate::geometry::{Comparison, Geometry, ParameterView};
use crate::kernel::upper_median;
use crate::model_set::{ModelId, Position};
use rayon::prelude::*;

/// The member that no other precedes: the default.
///
/// Every other member x and every parameter t say of each pair of members a, b which of the two came first. Their evidence is
/// the sum of two log-likelihood ratios:
///
/// ```text
/// w_t(a, b) = mean over x of  ln d_t(b, x) − ln d_t(a, x)  +  ψ(cos_t(x − a, b − a)) − ψ(cos_t(x − b, a − b))
/// score(a)  = max over b of  mean over t of  w_t(b, a)
/// ψ(c)      = −min(c / 0.3, 4) for c ≥ 0,  −min(−c / 0.15, 4) for c < 0
/// ```
///
/// *Distances.* From the parent, `d(a, x)` is x's increment alone. From a child it also holds the child's own.
///
/// *Angles.* Two increments from their parent are nearly orthogonal, or at an acute angle where fine-tunes drift alike. They
/// are rarely at an obtuse one. Seen from a child that moved little along a common drift, its parent lies **behind**: at an
/// obtuse angle to all others. Distances alone take that child for the medoid. Seen from a child that moved far, its parent
/// lies in the direction of all others, at an angle too small for siblings.
///
/// ψ is the logarithm of an asymmetric Laplace density. Its two scales are those of cosines between siblings' increments;
/// results change little when either is halved or doubled.
///
/// The parameters are those in scope that all members hold. Parameters in which members do not differ say nothing. Families of
/// two have no third member. Their score is that of [`SmallestNorm`].
///
/// # Fails when
///
/// The parent is absent: siblings alone have a first member too. In families of three to five it fails about as often as
/// `docs/evaluation.md` says.
///
/// # Complexity
///
/// O(n · 32 · 128 · T) for n members and T parameters. Every member is compared with the 32 first by log distance, as seen from
/// at most 128 others. Medians and mean log distances add O(n² T).
///
/// # Differs from
///
/// The paper's rule is the smallest norm. This one is not published elsewhere to our knowledge.
///
/// # Errors
///
/// [`Error::NotComparable`] when the members are not of one group. For families of one or two also the errors of
/// [`SmallestNorm`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Precedence;

impl ParentSelector for Precedence {
    fn scores(&self, geometry: &Geometry, members: &[ModelId]) -> Result<Vec<f64>, Error> {
        let n = members.len();
        if n <= 2 {
            return SmallestNorm.scores(geometry, members);
        }
        Ok(Precedences::of(&geometry.compare(members)?, &PrecedenceWeights::default()).scores())
    }
}

/// How strongly members precede one another. [`Precedence`] makes its scores of it.
#[derive(Debug)]
pub(crate) struct Precedences {
    /// The members that may precede others, by rising mean log distance to all.
    pub(crate) rivals: Vec<Position<Comparison>>,
    /// `mean over t of w_t(rival, a)`, of shape (n_members, n_rivals).
    evidence: Vec<f64>,
}

impl Precedences {
    /// Computes it for three members or more.
    pub(crate) fn of(comparison: &Comparison, weights: &PrecedenceWeights) -> Self {
        let n = comparison.len();
        let scales: Vec<Option<Scale>> = {
            let parameters: Vec<&ParameterView> = comparison.scoped().collect();
            parameters.into_par_iter().map(|p| Scale::of(p, n, weights.floor)).collect()
        };
        let order = by_log_distance(n, &scales);
        let rivals = &order[..n.min(weights.rivals)];
        // Witnesses are spread over the whole order, so that near and far members judge alike.
        let witnesses: Vec<Position<Comparison>> =
            order.iter().copied().step_by(n.div_ceil(weights.witnesses)).collect();

        let mut evidence = vec![0.0; n * rivals.len()];
        let used = scales.iter().flatten().count();
        for (parameter, scale) in comparison.scoped().zip(&scales) {
            let Some(scale) = scale else { continue };
            let squared = |a, b| parameter.squared_distance(a, b) / scale.unit;
            let seen = |from| -> Vec<f64> { witnesses.iter().map(|&x| squared(from, x)).collect() };
            let from_rivals: Vec<Vec<f64>> = rivals.iter().map(|&b| seen(b)).collect();
            let rows = evidence.par_chunks_mut(rivals.len()).enumerate();
            rows.for_each(|(a, row)| {
                let a = Position::new(a);
                let from_a = seen(a);
                for ((sum, &b), from_b) in row.iter_mut().zip(rivals).zip(&from_rivals).filter(|((_, b), _)| **b != a) {
                    // The distance between the two is in both sums and cancels.
                    let by_distance = (scale.log_sum[a.index()] - scale.log_sum[b.index()]) / (n - 2) as f64;
                    *sum += by_distance + by_angle(weights, squared(a, b), from_b, &from_a);
                }
            });
        }
        evidence.iter_mut().for_each(|e| *e /= used.max(1) as f64);
        Self { rivals: rivals.to_vec(), evidence }
    }

    /// How strongly a rival, by its place in `rivals`, precedes a.
    pub(crate) fn evidence(&self, rival: usize, a: Position<Comparison>) -> f64 {
        self.evidence[a.index() * self.rivals.len() + rival]
    }

    /// The strongest evidence that another member precedes it, for each member.
    pub(crate) fn scores(&self) -> Vec<f64> {
        let rows = self.evidence.chunks(self.rivals.len()).enumerate();
        rows.map(|(a, row)| {
            let against = row.iter().zip(&self.rivals).filter(|&(_, b)| b.index() != a).map(|(e, _)| *e);
            against.fold(f64::NEG_INFINITY, f64::max)
        })
        .collect()
    }
}

/// Members in the order of rising mean log distance to all others.
fn by_log_distance(n: usize, scales: &[Option<Scale>]) -> Vec<Position<Comparison>> {
    let mut sums = vec![0.0; n];
    for scale in scales.iter().flatten() {
        sums.iter_mut().zip(&scale.log_sum).for_each(|(sum, log_sum)| *sum += log_sum);
    }
    let mut order: Vec<Position<Comparison>> = Position::all(n).collect();
    order.sort_by(|a, b| sums[a.index()].total_cmp(&sums[b.index()]));
    order
}

/// The unit of distances in one parameter, and how far each member is from all others.
struct Scale {
    /// The median squared distance of members that differ.
    unit: f64,
    /// `Σ_x ln d(a, x)` for each member a, with distances in units of the median.
    log_sum: Vec<f64>,
}

impl Scale {
    /// Computes it; `None` when all members have the same values.
    fn of(parameter: &ParameterView, n: usize, floor: f64) -> Option<Self> {
        let pairs = Position::all(n).flat_map(|a| Position::all(a.index()).map(move |b| (a, b)));
        let mut apart: Vec<f64> =
            pairs.map(|(a, b)| parameter.squared_distance(a, b)).filter(|&squared| squared > 0.0).collect();
        let unit = upper_median(&mut apart)?;
        // n² / 2 numbers are freed before the next allocation, since several parameters are handled at once.
        drop(apart);
        let mut log_sum = vec![0.0; n];
        for a in Position::all(n) {
            for b in Position::all(a.index()) {
                let log = (parameter.squared_distance(a, b) / unit).sqrt().max(floor).ln();
                log_sum[a.index()] += log;
                log_sum[b.index()] += log;
            }
        }
        Some(Self { unit, log_sum })
    }
}

/// How much more likely the angles are if a came before b than if b came before a, in nats. It takes the squared distance
/// between the two, and those from each to the same witnesses.
fn by_angle(weights: &PrecedenceWeights, apart: f64, from_a: &[f64], from_b: &[f64]) -> f64 {
    if apart <= 0.0 {
        return 0.0;
    }
    let mut sum = 0.0;
    let mut heard = 0usize;
    // A witness that is one of the two, or has its values, is at distance 0 and has no angle.
    for (&to_a, &to_b) in from_a.iter().zip(from_b).filter(|&(&to_a, &to_b)| to_a > 0.0 && to_b > 0.0) {
        // The law of cosines gives the angle at each of the two from distances alone.
        let at_a = (to_a + apart - to_b) / (2.0 * (to_a * apart).sqrt());
        let at_b = (to_b + apart - to_a) / (2.0 * (to_b * apart).sqrt());
        sum += weights.sibling_likelihood(at_a) - weights.sibling_likelihood(at_b);
        heard += 1;
    }
    sum / heard.max(1) as f64
}
