//! Which member of a family is its root: distances and angles, and what training cannot undo.

use super::norm::Norms;
use crate::error::Error;
use crate::evidence::Lines;
use crate::geometry::{Comparison, Geometry};
use crate::model_set::ModelId;
use crate::parent::Precedences;
use std::collections::BTreeMap;

/// Members that are asked more closely, the first by distances and angles.
const RIVALS: usize = 4;

/// Natural logarithm of the likelihood ratio that one unit of [`Precedences`] is worth.
const PRECEDENCE: f64 = 2.0;

/// Of counters, and of exact decay: both only ever go one way.
const CERTAIN: f64 = 4.0;

/// Of a vocabulary with more rows, which is the later one nearly always.
const VOCABULARY: f64 = 3.0;

/// Of one factor of e between the numbers of members that contradict either of two.
const CONTRADICTION: f64 = 1.5;

/// Of norms between two rivals.
const NORM: f64 = 0.5;

/// Fewer lines than this are chance.
pub(super) const LEAST_LINES: usize = 2;

/// Fewer exact lines than this give no factor to rely on.
pub(super) const LEAST_FACTORS: usize = 3;

/// Rounding of a factor, next to five median deviations.
const FACTOR_ROUNDING: f64 = 3e-6;

/// Which member is the root.
#[derive(Debug)]
pub(super) struct Roots {
    /// Members by falling probability, those alone that have any.
    pub(super) likely: Vec<(usize, f64)>,
    /// Lines of all members against each rival, where values are at hand.
    pub(super) lines: BTreeMap<usize, Lines>,
    /// For each member the strongest evidence that another precedes it; lowest is the root. Of rivals alone it holds more than
    /// distances and angles.
    pub(super) scores: Vec<f64>,
}

impl Roots {
    /// Of the members that `comparison` holds, the first of `models`, two or more; `norms` are of all models.
    pub(super) fn of(
        geometry: &Geometry,
        models: &[ModelId],
        comparison: &Comparison,
        norms: &Norms,
    ) -> Result<Self, Error> {
        let n = comparison.len();
        let (rivals, geometric, scores) = by_geometry(comparison);
        let mut lines = BTreeMap::new();
        for &rival in &rivals {
            if let Some(found) = geometry.read_lines(models[rival], models)? {
                lines.insert(rival, found);
            }
        }
        let mut scores: Vec<f64> = scores.into_iter().map(|s| s * PRECEDENCE).collect();
        let close = |i: usize, j: usize| {
            let (a, b) = (rivals[i], rivals[j]);
            let norm = NORM * (norms.precedes(b, a) - norms.precedes(a, b)) / 2.0;
            PRECEDENCE * geometric[i * rivals.len() + j]
                + norm
                + untouched(&lines, a, b, n)
                + decay(&lines, a, b)
                + counters(geometry, models[a], models[b])
                + VOCABULARY * f64::from(geometry.compare_rows(models[a], models[b]) as i8)
        };
        for (i, &a) in rivals.iter().enumerate() {
            let against = (0..rivals.len()).filter(|&j| j != i).map(|j| close(i, j));
            scores[a] = against.fold(f64::NEG_INFINITY, f64::max);
        }
        let lowest = rivals.iter().map(|&a| scores[a]).fold(f64::INFINITY, f64::min);
        let weights: Vec<(usize, f64)> = rivals.iter().map(|&a| (a, (lowest - scores[a]).exp())).collect();
        let sum: f64 = weights.iter().map(|w| w.1).sum();
        let mut likely: Vec<(usize, f64)> = weights.into_iter().map(|(a, w)| (a, w / sum)).collect();
        likely.sort_by(|x, y| y.1.total_cmp(&x.1));
        Ok(Self { likely, lines, scores })
    }
}

/// The rivals, how strongly rival j precedes rival i (at `i · rivals + j`), and the score of every member.
fn by_geometry(comparison: &Comparison) -> (Vec<usize>, Vec<f64>, Vec<f64>) {
    let n = comparison.len();
    if n == 2 {
        return (vec![0, 1], vec![0.0; 4], vec![0.0; 2]);
    }
    let precedences = Precedences::of(comparison);
    let scores = precedences.scores();
    let mut order: Vec<usize> = (0..precedences.rivals.len()).collect();
    order.sort_by(|&i, &j| scores[precedences.rivals[i]].total_cmp(&scores[precedences.rivals[j]]));
    order.truncate(RIVALS);
    let rivals: Vec<usize> = order.iter().map(|&i| precedences.rivals[i]).collect();
    let evidence = rivals.iter().flat_map(|&a| order.iter().map(move |&j| (a, j)));
    let evidence = evidence.map(|(a, j)| if precedences.rivals[j] == a { 0.0 } else { precedences.evidence(j, a) });
    (rivals.clone(), evidence.collect(), scores)
}

/// Evidence that b precedes a: others share lines with b that a has changed, more often than the other way round.
fn untouched(lines: &BTreeMap<usize, Lines>, a: usize, b: usize, n: usize) -> f64 {
    let (Some(of_a), Some(of_b)) = (lines.get(&a), lines.get(&b)) else { return 0.0 };
    let others = |lines: &Lines, changed: usize| {
        let kept = (0..n).filter(|&c| c != a && c != b);
        kept.filter(|&c| lines.kept_in_b_changed_in_a(changed, c) >= LEAST_LINES).count() as f64
    };
    CONTRADICTION * ((1.0 + others(of_b, a)) / (1.0 + others(of_a, b))).ln()
}

/// Evidence that b precedes a: lines of b that are a's times one exact factor below 1 came later, above 1 earlier.
fn decay(lines: &BTreeMap<usize, Lines>, a: usize, b: usize) -> f64 {
    let Some(lines) = lines.get(&a) else { return 0.0 };
    if lines.exact_in_both(a, b) < LEAST_FACTORS {
        return 0.0;
    }
    CERTAIN * f64::from(direction(lines, a, b))
}

/// 1 when lines exact in both are larger in `to` than in `from`, −1 when smaller, 0 when rounding cannot tell.
pub(super) fn direction(lines: &Lines, from: usize, to: usize) -> i8 {
    let Some(factor) = lines.ratio(from, to).filter(|f| f.median > 0.0) else { return 0 };
    let (log, slack) = (factor.median.ln(), FACTOR_ROUNDING + 5.0 * factor.deviation / factor.median);
    if log > slack {
        1
    } else if log < -slack {
        -1
    } else {
        0
    }
}

/// Evidence that b precedes a: its counters are behind.
fn counters(geometry: &Geometry, a: ModelId, b: ModelId) -> f64 {
    CERTAIN * f64::from(ahead(geometry, a, b))
}

/// 1 when a's step counters are ahead of b's, −1 when behind, 0 when there are none or they disagree.
pub(super) fn ahead(geometry: &Geometry, a: ModelId, b: ModelId) -> i8 {
    let of_b = geometry.counters(b);
    let place = |name: &String| of_b.binary_search_by(|(other, _)| other.cmp(name)).ok();
    let signs = geometry.counters(a).iter().filter_map(|(name, count)| Some(count - of_b[place(name)?].1));
    let (mut more, mut less) = (false, false);
    for difference in signs {
        more |= difference > 0.0;
        less |= difference < 0.0;
    }
    i8::from(more && !less) - i8::from(less && !more)
}
