use super::{ParentSelector, SmallestNorm};
use crate::error::Error;
use crate::geometry::{Geometry, ParameterView};
use crate::kernel::upper_median;
use crate::model_set::{ModelId, Position};

/// The member nearest to all others in log distance, parameter by parameter.
///
/// `score(a) = mean over t, b ≠ a of ln(d_t(a, b) / s_t)`, with `s_t` the median distance of the members in parameter t. The
/// mean is over the parameters in scope that all members hold. Distances below `FLOOR · s_t`, zero included, count as that.
///
/// The logarithm keeps one far child from deciding. The sum over parameters uses that a child leaves some of them untouched
/// (frozen layers, LoRA): those are at zero distance from the parent.
///
/// Families of two have no geometry, since they share every distance. Their score is that of [`SmallestNorm`].
///
/// # Fails when
///
/// - A child has more descendants than the root has children.
/// - Siblings were trained alike and drifted together.
/// - The parent is absent: siblings alone have a medoid too.
///
/// # Complexity
///
/// O(n² T) for n members and T parameters.
///
/// # Errors
///
/// [`Error::NotComparable`] when the members are not of one group. For families of one or two also the errors of
/// [`SmallestNorm`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogDistanceMedoid;

/// Distances below this share of the median count alike. Differences below it come from rounding in storage, not from training:
/// one step of BF16 is 2⁻⁸ of a value.
const FLOOR: f64 = 1e-3;

impl ParentSelector for LogDistanceMedoid {
    fn scores(&self, geometry: &Geometry, members: &[ModelId]) -> Result<Vec<f64>, Error> {
        let n = members.len();
        // All distances of two members are shared, so that both would score alike.
        if n <= 2 {
            return SmallestNorm.scores(geometry, members);
        }
        let comparison = geometry.compare(members)?;
        let mut scores = vec![0.0; n];
        let mut used = 0usize;
        for parameter in comparison.scoped() {
            let Some(scale) = median_distance(parameter, n) else { continue };
            used += 1;
            for a in Position::all(n) {
                for b in Position::all(a.index()) {
                    let ratio = (parameter.squared_distance(a, b).sqrt() / scale).max(FLOOR);
                    scores[a.index()] += ratio.ln();
                    scores[b.index()] += ratio.ln();
                }
            }
        }
        let terms = (used * (n - 1)).max(1) as f64;
        scores.iter_mut().for_each(|s| *s /= terms);
        Ok(scores)
    }
}

/// Median distance over pairs of different values; `None` when all members have the same.
fn median_distance(parameter: &ParameterView, n: usize) -> Option<f64> {
    let pairs = Position::all(n).flat_map(|a| Position::all(a.index()).map(move |b| (a, b)));
    let mut distances: Vec<f64> =
        pairs.map(|(a, b)| parameter.squared_distance(a, b)).filter(|&d| d > 0.0).map(f64::sqrt).collect();
    upper_median(&mut distances)
}
