use super::{ParentSelector, SmallestNorm};
use crate::error::Error;
use crate::geometry::{Comparison, Geometry, ParameterView};
use crate::model_set::ModelId;

/// The member that no other precedes: the default.
///
/// Every pair of members a, b is asked, by every other member x and in every parameter t, which of the two came first; the
/// answers are the sum of two log-likelihood ratios:
///
/// ```text
/// w_t(a, b) = mean over x of  ln d_t(b, x) − ln d_t(a, x)  +  ψ(cos_t(x − a, b − a)) − ψ(cos_t(x − b, a − b))
/// score(a)  = max over b of  mean over t of  w_t(b, a)
/// ψ(c)      = −min(c / 0.3, 4) for c ≥ 0,  −min(−c / 0.15, 4) for c < 0
/// ```
///
/// *Distances*: from the parent, `d(a, x)` is x's increment alone; from a child it also holds the child's own. *Angles*: two
/// increments from their parent are nearly orthogonal or, where fine-tunes drift alike, at an acute angle; so are they rarely
/// obtuse. Seen from a child that moved little along a common drift, its parent lies **behind**: at an obtuse angle to all
/// others, while distances alone take that child for the medoid. Seen from a child that moved far, its parent lies in the
/// direction of all others, at an angle too small for siblings. ψ is the logarithm of an asymmetric Laplace density, its two
/// scales those of cosines between siblings' increments; results change little when either is halved or doubled.
///
/// Parameters in scope that all members hold; those in which members do not differ say nothing. Families of two have no third
/// member to ask; there the score is that of [`SmallestNorm`].
///
/// # Fails when
///
/// the parent is absent (siblings alone have a first member too), and in families of three to five about as often as
/// `docs/evaluation.md` tells.
///
/// # Complexity
///
/// O(n · 32 · 128 · T) for n members and T parameters: every member against the 32 first by log distance, asked of at most 128
/// others.
///
/// # Differs from
///
/// the paper, whose rule is the smallest norm. Not published elsewhere to our knowledge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Precedence;

/// Distances below this share of the median count alike: rounding in storage, not training.
const FLOOR: f64 = 1e-3;

/// Scales of the cosine between increments of siblings, to the acute and to the obtuse side.
const ACUTE: f64 = 0.3;
const OBTUSE: f64 = 0.15;

/// The least log-likelihood: what a single witness can say against a pair.
const CAP: f64 = 4.0;

const RIVALS: usize = 32;
const WITNESSES: usize = 128;

impl ParentSelector for Precedence {
    fn scores(&self, geometry: &Geometry, members: &[ModelId]) -> Result<Vec<f64>, Error> {
        let n = members.len();
        if n <= 2 {
            return SmallestNorm.scores(geometry, members);
        }
        let comparison = geometry.compare(members)?;
        let order = by_log_distance(&comparison);
        let rivals = &order[..n.min(RIVALS)];
        let witnesses: Vec<usize> = order.iter().copied().step_by(n.div_ceil(WITNESSES)).collect();

        // Evidence that a rival precedes a member, of shape (n, rivals).
        let mut evidence = vec![0.0; n * rivals.len()];
        let mut used = 0usize;
        for parameter in comparison.scoped() {
            let Some(distances) = Distances::of(parameter, n) else { continue };
            used += 1;
            for a in 0..n {
                for (k, &b) in rivals.iter().enumerate().filter(|&(_, &b)| b != a) {
                    evidence[a * rivals.len() + k] += distances.precedes(b, a, &witnesses);
                }
            }
        }
        let score = |a: usize| {
            let row = &evidence[a * rivals.len()..(a + 1) * rivals.len()];
            let against = row.iter().zip(rivals).filter(|&(_, &b)| b != a).map(|(w, _)| *w);
            against.fold(f64::NEG_INFINITY, f64::max) / used.max(1) as f64
        };
        Ok((0..n).map(score).collect())
    }
}

/// Members by rising mean log distance to all others.
fn by_log_distance(comparison: &Comparison<'_>) -> Vec<usize> {
    let n = comparison.len();
    let mut sums = vec![0.0; n];
    for parameter in comparison.scoped() {
        if let Some(distances) = Distances::of(parameter, n) {
            sums.iter_mut().enumerate().for_each(|(a, s)| *s += distances.log_sum[a]);
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| sums[a].total_cmp(&sums[b]));
    order
}

/// Distances of one parameter, in units of their median.
struct Distances {
    n: usize,
    /// Of shape (n, n).
    squared: Vec<f64>,
    /// Σ_x ln d(a, x) for each a.
    log_sum: Vec<f64>,
}

impl Distances {
    /// `None` when all members have the same values.
    fn of(parameter: &ParameterView<'_>, n: usize) -> Option<Self> {
        let pairs = (0..n).flat_map(|a| (0..a).map(move |b| (a, b)));
        let mut apart: Vec<f64> =
            pairs.map(|(a, b)| parameter.squared_distance(a, b)).filter(|&squared| squared > 0.0).collect();
        if apart.is_empty() {
            return None;
        }
        let middle = apart.len() / 2;
        let unit = *apart.select_nth_unstable_by(middle, f64::total_cmp).1;
        let mut squared = vec![0.0; n * n];
        let mut log_sum = vec![0.0; n];
        for a in 0..n {
            for b in 0..a {
                let value = parameter.squared_distance(a, b) / unit;
                squared[a * n + b] = value;
                squared[b * n + a] = value;
                let log = value.sqrt().max(FLOOR).ln();
                log_sum[a] += log;
                log_sum[b] += log;
            }
        }
        Some(Self { n, squared, log_sum })
    }

    fn squared(&self, a: usize, b: usize) -> f64 {
        self.squared[a * self.n + b]
    }

    /// w(a, b): how much more likely these distances are if a came before b than if b came before a.
    fn precedes(&self, a: usize, b: usize, witnesses: &[usize]) -> f64 {
        let by_distance = (self.log_sum[b] - self.log_sum[a]) / (self.n - 2) as f64;
        let mut by_angle = 0.0;
        let mut heard = 0usize;
        for &x in witnesses.iter().filter(|&&x| x != a && x != b) {
            if let (Some(at_a), Some(at_b)) = (self.cosine(a, x, b), self.cosine(b, x, a)) {
                by_angle += likelihood(at_a) - likelihood(at_b);
                heard += 1;
            }
        }
        by_distance + by_angle / heard.max(1) as f64
    }

    /// Cosine of the angle at `from` between `x` and `y`; `None` when one of them is where `from` is.
    fn cosine(&self, from: usize, x: usize, y: usize) -> Option<f64> {
        let (to_x, to_y) = (self.squared(from, x), self.squared(from, y));
        (to_x > 0.0 && to_y > 0.0).then(|| (to_x + to_y - self.squared(x, y)) / (2.0 * (to_x * to_y).sqrt()))
    }
}

/// ψ: log-likelihood, up to a constant, of a cosine between the increments of siblings.
fn likelihood(cosine: f64) -> f64 {
    -(if cosine >= 0.0 { cosine / ACUTE } else { -cosine / OBTUSE }).min(CAP)
}
