mod bandwidth;

pub use bandwidth::Bandwidth;

use super::CentroidDetector;
use super::center::Center;
use super::centroid_rule::{Alpha, CentroidRule, Preference};
use super::clusterer::{CentroidClusterer, Clusterer, Clustering, MemberScores, Points};
use super::distances::Distances;
use super::radius;
use super::settings::{ALPHA, alpha, check_count, check_radius, check_tolerance, convergence};
use super::sweep;
use crate::detect::{NamedDetector, NamedSetting};
use crate::error::Error;
use crate::phylogeny::Remark;
use ndarray::{Array2, ArrayView1};
use rand::RngCore;
use rayon::prelude::*;
use std::collections::HashMap;
use xxhash_rust::xxh3::Xxh3Builder;

const NAME: &str = "MeanShift";

/// Families around the places where models are dense: mean shift with a flat window and the paper's α rule.
///
/// From every model a center `c` climbs to where models are dense. Let `W(c) = { i : ‖x_i − c‖ ≤ b }` be its window. Each
/// iteration draws one u ~ U(0, 1) for all centers. If `u < α`, `c` becomes the mean of `W(c)`. Otherwise it becomes the
/// member of `W(c)` that the parent selector prefers. That is the member of lowest score, and of equal ones the first in the
/// order of the models' content.
///
/// Iteration stops when no center moves by more than the tolerance, `‖c − c′‖² ≤ tolerance · b²`. Of centers within one
/// bandwidth of each other, the one with most models in its window stays. A model joins its nearest center.
///
/// *Assumes* that one radius fits all families. The number of families follows from that radius.
///
/// # Settings
///
/// | setting | default | range |
/// |---|---|---|
/// | [`with_bandwidth`](Self::with_bandwidth) | [`Bandwidth::Expected`] | see [`Bandwidth`] |
/// | [`with_max_iterations`](Self::with_max_iterations) | 300 | from 1 |
/// | [`with_tolerance`](Self::with_tolerance) | 1e-6: centers rest to a thousandth of the bandwidth | finite, from 0 |
///
/// # Returns
///
/// A label for every model, and no noise. Remarks: [`Remark::RadiusEstimated`] unless the bandwidth is given;
/// [`Remark::Converged`] or [`Remark::NotConverged`]; [`Remark::AlphaChosen`] after a sweep. At α = 1 no random number is used.
///
/// # Errors
///
/// - [`Error::InvalidSetting`] for a setting or α out of range.
/// - [`Error::Clustering`] when a coordinate is not finite.
///
/// # Complexity
///
/// O(n_models²) time once to look distances up. Then O(n_models · Σ |W|) time per iteration, over the windows that differ. A
/// center is the mean of a set of models, so its distances to all models follow from their distances to each other.
/// O(n_models²) memory.
///
/// # Degenerate input
///
/// No model gives no label. Copies of one model are one family. A single model is a family.
///
/// # Differs from
///
/// - *scikit-learn*: windows, seeds, merging and labels are the same. All centers iterate until the last one rests, where
///   scikit-learn stops each by itself. Of centers with equally full windows the first model's stays, where scikit-learn
///   decides by coordinates.
/// - *the paper's code*: centers are merged within a bandwidth, where the paper's code uses 1e-3 at any scale of the weights.
///   Windows are closed. Iteration stops at rest instead of after 100 rounds. With α < 1, centers are merged too, and parents
///   are chosen among the final members.
///
/// # References
///
/// Yu, Wang: Neural Phylogeny, ICLR 2025, <https://openreview.net/forum?id=jv2zHOalpL> (the α rule).
/// Comaniciu, Meer: Mean shift: a robust approach toward feature space analysis, 2002, <https://doi.org/10.1109/34.1000236>.
///
/// # Example
///
/// ```
/// use ndarray::array;
/// use neural_phylogeny::Clusterer;
/// use neural_phylogeny::detect::cluster::{MeanShift, Points};
/// use rand::SeedableRng;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let coordinates = array![[0.0, 0.1], [0.1, 0.0], [9.0, 9.1]];
/// let points = Points::new(coordinates.view(), &[0, 0, 1]);
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
///
/// let labels = MeanShift::new().with_bandwidth(1.0).cluster(&points, &mut rng)?.labels;
/// assert_eq!(labels, [Some(0), Some(0), Some(1)]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MeanShift {
    bandwidth: Bandwidth,
    max_iterations: usize,
    tolerance: f64,
}

impl Default for MeanShift {
    fn default() -> Self {
        Self::new()
    }
}

impl MeanShift {
    /// The clusterer with a bandwidth from the expected families, at most 300 iterations and tolerance 1e-6.
    pub fn new() -> Self {
        Self { bandwidth: Bandwidth::Expected, max_iterations: 300, tolerance: 1e-6 }
    }

    /// Sets the radius of the window; a number is [`Bandwidth::Fixed`]. Default: [`Bandwidth::Expected`].
    pub fn with_bandwidth(mut self, bandwidth: impl Into<Bandwidth>) -> Self {
        self.bandwidth = bandwidth.into();
        self
    }

    /// Sets the number of iterations after which centers stop, at rest or not; at least 1. Default: 300.
    pub fn with_max_iterations(mut self, iterations: usize) -> Self {
        self.max_iterations = iterations;
        self
    }

    /// Sets the squared shift at which a center is at rest, as a share of the squared bandwidth; finite, from 0. Default: 1e-6.
    pub fn with_tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Refuses settings out of range.
    fn check_settings(&self) -> Result<(), Error> {
        match self.bandwidth {
            Bandwidth::Quantile(q) if !(0.0..=1.0).contains(&q) => Err(Error::InvalidSetting {
                setting: "bandwidth quantile",
                found: q.to_string(),
                expected: "a number from 0 to 1",
            }),
            Bandwidth::Fixed(b) => check_radius("bandwidth", b),
            _ => Ok(()),
        }?;
        check_count("max_iterations", self.max_iterations)?;
        check_tolerance(self.tolerance)
    }

    /// The bandwidth in the units of `distances`, and a remark if it was estimated.
    fn bandwidth(&self, points: &Points<'_>, distances: &Distances) -> (f64, Option<Remark>) {
        let squared = &distances.squared;
        let (bandwidth, rule) = match self.bandwidth {
            // A radius beyond all distances suffices; this one has a finite square.
            Bandwidth::Fixed(b) => return ((b * distances.scale).min(1e100), None),
            Bandwidth::Quantile(q) => (quantile_bandwidth(squared, q), "the quantile of neighbor distances"),
            Bandwidth::Expected => {
                let (within, between) = radius::pairs(squared, points.expected);
                let negligible = distances.negligible().sqrt();
                (radius::separating(within, between, negligible), "distances within and between expected families")
            }
        };
        let value = bandwidth / distances.scale;
        (bandwidth, Some(Remark::RadiusEstimated { setting: "bandwidth".into(), value, rule: rule.into() }))
    }

    /// Moves all centers until they rest, at one α.
    fn run(
        &self,
        distances: &Distances,
        window: f64,
        rule: CentroidRule<'_>,
        rng: &mut dyn RngCore,
    ) -> Result<Run, Error> {
        let mut centers = Centers::at_every_point(&distances.squared);
        let (mut iterations, mut converged) = (0, false);
        while iterations < self.max_iterations && !converged {
            let shift = centers.advance(window, rule.draw(rng))?;
            converged = shift <= self.tolerance * window;
            iterations += 1;
        }
        Ok(Run { labels: centers.labels(window), iterations, converged })
    }

    /// Clusters the points, along with the selector or without it.
    fn divide(
        &self,
        points: &Points<'_>,
        along: Option<(Alpha, &MemberScores<'_>)>,
        rng: &mut dyn RngCore,
    ) -> Result<Clustering, Error> {
        self.check_settings()?;
        let alpha = along.map_or(Alpha::default(), |(alpha, _)| alpha);
        alpha.check()?;
        // One cache of choices serves all runs of a sweep.
        let preference = along.map(|(_, scores)| Preference::new(scores));
        let preference = preference.as_ref();
        let distances = Distances::new(NAME, points)?;
        if points.is_empty() {
            return Ok(Clustering::default());
        }
        let (bandwidth, estimated) = self.bandwidth(points, &distances);
        let run = |alpha, rng: &mut dyn RngCore| {
            self.run(&distances, bandwidth * bandwidth, CentroidRule::new(alpha, preference), rng)
        };
        let (run, chosen) = sweep::at(NAME, alpha, points.expected, rng, run, |run| &run.labels)?;
        let mut clustering = Clustering::new(run.labels.into_iter().map(Some).collect());
        clustering.remarks.extend(estimated);
        clustering.remarks.extend(chosen);
        Ok(clustering.with_remark(convergence(NAME, run.converged, run.iterations)))
    }
}

/// The result of one run over all centers.
struct Run {
    labels: Vec<usize>,
    iterations: usize,
    converged: bool,
}

/// What the detector around it is called, and its settings.
pub(super) const NAMED: NamedDetector = NamedDetector::new(
    "mean-shift",
    "MeanShift",
    &[
        ALPHA,
        NamedSetting::new(
            "bandwidth",
            "B|expected|quantile:Q",
            "radius of the window, a distance, `expected` from the expected families, or `quantile:Q` of the distances to \
             neighbors [default: expected]",
            |word| word.parse::<Bandwidth>().map(drop),
        ),
    ],
    |families, words| {
        let bandwidth = words.value("bandwidth", str::parse::<Bandwidth>)?;
        let mean_shift = bandwidth.into_iter().fold(MeanShift::new(), MeanShift::with_bandwidth);
        Ok(Box::new(CentroidDetector::new(mean_shift).with_alpha(alpha(words)?).with_families(families)))
    },
);

impl Clusterer for MeanShift {
    fn check(&self) -> Result<(), Error> {
        self.check_settings()
    }

    fn cluster(&self, points: &Points<'_>, rng: &mut dyn RngCore) -> Result<Clustering, Error> {
        self.divide(points, None, rng)
    }
}

impl CentroidClusterer for MeanShift {
    fn cluster_along(
        &self,
        points: &Points<'_>,
        alpha: Alpha,
        scores: &MemberScores<'_>,
        rng: &mut dyn RngCore,
    ) -> Result<Clustering, Error> {
        self.divide(points, Some((alpha, scores)), rng)
    }
}

/// The bandwidth of [`Bandwidth::Quantile`].
fn quantile_bandwidth(squared: &Array2<f64>, quantile: f64) -> f64 {
    let n = squared.nrows();
    let neighbors = ((n as f64 * quantile) as usize).clamp(1, n);
    let farthest = |row: ArrayView1<'_, f64>| *row.to_vec().select_nth_unstable_by(neighbors - 1, f64::total_cmp).1;
    squared.rows().into_iter().map(|row| farthest(row).sqrt()).sum::<f64>() / n as f64
}

/// The distinct centers, in the order of the first point from which each was reached.
#[derive(Debug)]
struct Centers<'a> {
    squared: &'a Array2<f64>,
    distinct: Vec<Center<'a>>,
}

impl<'a> Centers<'a> {
    /// One center at each point.
    fn at_every_point(squared: &'a Array2<f64>) -> Self {
        Self { squared, distinct: (0..squared.nrows()).map(|i| Center::of(vec![i], squared)).collect() }
    }

    /// Does one iteration for all centers, to means or to preferred members, and returns the largest squared shift.
    fn advance(&mut self, squared_bandwidth: f64, preference: Option<&Preference<'_>>) -> Result<f64, Error> {
        let n = self.squared.nrows();
        let windows = each(&self.distinct, n, |center| center.window(squared_bandwidth));
        // Many windows are the same set, so each set gets a number and is computed once.
        let mut numbers: HashMap<Vec<usize>, usize, Xxh3Builder> = HashMap::default();
        let mut sets: Vec<Vec<usize>> = Vec::new();
        let mut next = Vec::with_capacity(windows.len());
        for (center, mut window) in self.distinct.iter().zip(windows) {
            if window.is_empty() {
                // Only rounding can empty a window: the mean of points in a ball is no farther from them than the center of the
                // ball.
                window.clone_from(&center.members);
            }
            let number = *numbers.entry(window).or_insert_with_key(|set| {
                sets.push(set.clone());
                sets.len() - 1
            });
            next.push(number);
        }
        if let Some(preference) = preference {
            (sets, next) = preferred(&sets, &next, preference)?;
        }
        let size = sets.iter().map(Vec::len).max().unwrap_or(0);
        let reached = each(&sets, n * size, |set| Center::of(set.clone(), self.squared));
        let moves: Vec<(&Center<'_>, usize)> = self.distinct.iter().zip(next).collect();
        let shifts = each(&moves, size, |(from, to)| from.squared_distance(&reached[*to]));
        self.distinct = reached;
        Ok(shifts.into_iter().fold(0.0, f64::max))
    }

    /// Merges centers within one bandwidth, the fullest window first, and labels each point by the nearest center that stays.
    fn labels(&self, squared_bandwidth: f64) -> Vec<usize> {
        let full: Vec<usize> = self.distinct.iter().map(|c| c.window(squared_bandwidth).len()).collect();
        let mut order: Vec<usize> = (0..self.distinct.len()).collect();
        // The sort is stable: of equally full windows, the first model's comes first.
        order.sort_by_key(|&c| std::cmp::Reverse(full[c]));
        let mut kept: Vec<&Center> = Vec::new();
        for center in order.into_iter().map(|c| &self.distinct[c]) {
            if kept.iter().all(|k| k.squared_distance(center) > squared_bandwidth) {
                kept.push(center);
            }
        }
        let nearest = |i: usize| {
            let nearer = |a: &usize, b: &usize| kept[*a].to_points[i].total_cmp(&kept[*b].to_points[i]);
            (0..kept.len()).min_by(nearer).expect("the first center is always kept")
        };
        (0..self.distinct[0].to_points.len()).map(nearest).collect()
    }
}

/// The preferred member of each set, each member once, and the member that each center goes to.
fn preferred(
    sets: &[Vec<usize>],
    next: &[usize],
    preference: &Preference<'_>,
) -> Result<(Vec<Vec<usize>>, Vec<usize>), Error> {
    let mut members: Vec<usize> = Vec::new();
    let mut number_of = Vec::with_capacity(sets.len());
    for set in sets {
        let member = preference.of(set)?;
        number_of.push(members.iter().position(|&m| m == member).unwrap_or_else(|| {
            members.push(member);
            members.len() - 1
        }));
    }
    Ok((members.into_iter().map(|m| vec![m]).collect(), next.iter().map(|&set| number_of[set]).collect()))
}

/// Applies `f` to each item, in parallel where the work is large enough. The result does not depend on that.
///
/// `work` is the number of steps for one item.
fn each<T: Sync, R: Send>(items: &[T], work: usize, f: impl Fn(&T) -> R + Send + Sync) -> Vec<R> {
    const WORTH_THREADS: usize = 1 << 18;
    if items.len() * work < WORTH_THREADS { items.iter().map(f).collect() } else { items.par_iter().map(f).collect() }
}

#[cfg(test)]
mod tests;
