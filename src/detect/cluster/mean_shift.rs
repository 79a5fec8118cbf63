use super::centroid_rule::CentroidRule;
use super::clusterer::{CentroidClusterer, Clusterer, Clustering, Points, PreferMember};
use super::distances::{NEGLIGIBLE, Scaled, squared_distances, variances};
use super::radius;
use super::settings::{check_count, check_radius, check_tolerance, convergence};
use crate::error::Error;
use crate::phylogeny::Remark;
use ndarray::{Array1, Array2, ArrayView1};
use rand::RngCore;
use rayon::prelude::*;
use std::collections::HashMap;

const NAME: &str = "MeanShift";

/// How wide the window of [`MeanShift`] is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Bandwidth {
    /// From the expected families: the radius that best tells distances within them from distances between them.
    ///
    /// `b` is the distance within a family with the least `|{within > b}| / |within| + |{between ≤ b}| / |between|`. Where all
    /// families are narrower than any gap between two of them it is the largest distance within; every window then holds
    /// exactly one family from the first iteration on, and the expected families come back.
    Expected,
    /// scikit-learn's `estimate_bandwidth`: the mean over models of the distance to their ⌊q·n_models⌋-th neighbor (at least the
    /// first), themselves included. q in [0, 1]; scikit-learn's default is 0.3.
    Quantile(f64),
    /// A distance between flattened weights, finite and above 0.
    Fixed(f64),
}

impl From<f64> for Bandwidth {
    fn from(bandwidth: f64) -> Self {
        Self::Fixed(bandwidth)
    }
}

/// Families around the places where models are dense: mean shift with a flat window, and the paper's α rule.
///
/// From every model a center `c` climbs to where models are dense. In each iteration, with `W(c) = { i : ‖x_i − c‖ ≤ b }` and one
/// u ~ U(0, 1) drawn for all centers: if `u < α`, `c` becomes the mean of `W(c)`; else it becomes the member of `W(c)` that the
/// parent selector prefers. It stops when no center moves by more than the tolerance, `‖c − c′‖² ≤ tolerance · b²`. Of centers
/// within one bandwidth of each other the one with most models in its window stays; a model joins its nearest center.
///
/// *Assumes* that one radius fits all families. The number of families follows from it.
///
/// # Settings
///
/// | setting | default | range |
/// |---|---|---|
/// | [`with_bandwidth`](Self::with_bandwidth) | [`Bandwidth::Expected`] | see [`Bandwidth`] |
/// | [`with_alpha`](Self::with_alpha) | 1 (means only: *identify after clustering*) | 0 to 1 |
/// | [`with_max_iterations`](Self::with_max_iterations) | 300 | from 1 |
/// | [`with_tolerance`](Self::with_tolerance) | 1e-6: centers rest to a thousandth of the bandwidth | finite, from 0 |
///
/// # Returns
///
/// A label for every model, no noise; [`Remark::RadiusEstimated`] unless the bandwidth is given, [`Remark::Converged`] or
/// [`Remark::NotConverged`]. At α = 1 no random number is used.
///
/// # Errors
///
/// [`Error::InvalidSetting`] for a setting out of range, and for α < 1 without a parent selector; [`Error::Clustering`] when a
/// coordinate is not finite.
///
/// # Complexity
///
/// O(n_models² · r) once for the distances, then O(n_models · Σ |W|) per iteration over the windows that differ: a center is the
/// mean of a set of models, and its distances to all models follow from theirs to each other. Memory O(n_models²).
///
/// # Degenerate input
///
/// No model gives no label; copies of one model are one family; a single model is one.
///
/// # Differs from
///
/// - *scikit-learn*: the same windows, seeds, merging and labels. All centers iterate until the last one rests, where
///   scikit-learn stops each by itself; of centers with equally full windows the first model's stays, where scikit-learn goes by
///   coordinates.
/// - *the paper's code*: centers are merged within a bandwidth rather than within 1e-3 (whatever the scale of the weights);
///   windows are closed; iteration stops at rest rather than after 100 rounds; with α < 1 centers are merged too, and parents
///   chosen among the final members.
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
/// use neural_phylogeny::{Clusterer, MeanShift, Points};
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
    alpha: f64,
    max_iterations: usize,
    tolerance: f64,
}

impl Default for MeanShift {
    fn default() -> Self {
        Self::new()
    }
}

impl MeanShift {
    /// Bandwidth from the expected families, α = 1, at most 300 iterations, tolerance 1e-6.
    pub fn new() -> Self {
        Self { bandwidth: Bandwidth::Expected, alpha: 1.0, max_iterations: 300, tolerance: 1e-6 }
    }

    /// The radius of the window; a number is [`Bandwidth::Fixed`].
    pub fn with_bandwidth(mut self, bandwidth: impl Into<Bandwidth>) -> Self {
        self.bandwidth = bandwidth.into();
        self
    }

    /// α, the share of iterations in which centers become means.
    pub fn with_alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// Iterations after which centers stop, at rest or not.
    pub fn with_max_iterations(mut self, iterations: usize) -> Self {
        self.max_iterations = iterations;
        self
    }

    /// The squared shift at which a center is at rest, as a share of the squared bandwidth.
    pub fn with_tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    fn check(&self) -> Result<(), Error> {
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

    /// The bandwidth in the units of `scaled`, and what to say about it.
    fn bandwidth(&self, points: &Points<'_>, scaled: &Scaled, squared: &Array2<f64>) -> (f64, Option<Remark>) {
        let (bandwidth, rule) = match self.bandwidth {
            // Coordinates are about 1 by now; more than any of their distances is enough, and its square is finite.
            Bandwidth::Fixed(b) => return ((b * scaled.scale).min(1e100), None),
            Bandwidth::Quantile(q) => (quantile_bandwidth(squared, q), "the quantile of neighbor distances"),
            Bandwidth::Expected => {
                let (within, between) = radius::pairs(squared, points.expected);
                let negligible = (NEGLIGIBLE * variances(&scaled.coordinates).sum()).sqrt();
                (radius::separating(within, between, negligible), "distances within and between expected families")
            }
        };
        let value = bandwidth / scaled.scale;
        (bandwidth, Some(Remark::RadiusEstimated { setting: "bandwidth", value, rule }))
    }

    fn divide(
        &self,
        points: &Points<'_>,
        prefer: Option<&PreferMember<'_>>,
        rng: &mut dyn RngCore,
    ) -> Result<Clustering, Error> {
        self.check()?;
        let rule = CentroidRule::new(self.alpha, prefer)?;
        let scaled = Scaled::new(NAME, points)?;
        if points.is_empty() {
            return Ok(Clustering::default());
        }
        let squared = squared_distances(&scaled.coordinates);
        let (bandwidth, estimated) = self.bandwidth(points, &scaled, &squared);
        let window = bandwidth * bandwidth;

        let mut centers = Centers::at_every_point(&squared);
        let (mut iterations, mut converged) = (0, false);
        while iterations < self.max_iterations && !converged {
            let shift = centers.advance(&squared, window, rule, rng)?;
            converged = shift <= self.tolerance * window;
            iterations += 1;
        }
        let mut clustering = Clustering::new(centers.labels(window).into_iter().map(Some).collect());
        clustering.remarks.extend(estimated);
        Ok(clustering.with_remark(convergence(NAME, converged, iterations)))
    }
}

impl Clusterer for MeanShift {
    fn cluster(&self, points: &Points<'_>, rng: &mut dyn RngCore) -> Result<Clustering, Error> {
        self.divide(points, None, rng)
    }
}

impl CentroidClusterer for MeanShift {
    fn cluster_along(
        &self,
        points: &Points<'_>,
        prefer: &PreferMember<'_>,
        rng: &mut dyn RngCore,
    ) -> Result<Clustering, Error> {
        self.divide(points, Some(prefer), rng)
    }
}

fn quantile_bandwidth(squared: &Array2<f64>, quantile: f64) -> f64 {
    let n = squared.nrows();
    let neighbors = ((n as f64 * quantile) as usize).clamp(1, n);
    let farthest = |row: ArrayView1<'_, f64>| *row.to_vec().select_nth_unstable_by(neighbors - 1, f64::total_cmp).1;
    squared.rows().into_iter().map(|row| farthest(row).sqrt()).sum::<f64>() / n as f64
}

/// A center: the mean of some points, one of them included.
#[derive(Debug)]
struct Center {
    /// Ascending, not empty.
    members: Vec<usize>,
    /// Squared distance to every point.
    to_points: Array1<f64>,
    /// Mean squared distance of the members to their mean.
    variance: f64,
}

impl Center {
    /// `‖x_j − mean(W)‖² = mean_i d²(i,j) − V`, with `V = mean_ij d²(i,j) / 2` the mean squared distance of W to its mean.
    fn of(members: Vec<usize>, squared: &Array2<f64>) -> Self {
        if let [only] = members[..] {
            return Self { to_points: squared.row(only).to_owned(), members, variance: 0.0 };
        }
        let count = members.len() as f64;
        let mut to_points = Array1::zeros(squared.nrows());
        for &i in &members {
            to_points += &squared.row(i);
        }
        to_points /= count;
        let variance = members.iter().map(|&i| to_points[i]).sum::<f64>() / (2.0 * count);
        to_points.mapv_inplace(|mean| f64::max(mean - variance, 0.0));
        Self { members, to_points, variance }
    }

    /// Squared distance to another center.
    fn squared_distance(&self, other: &Self) -> f64 {
        self.squared_distance_to_mean(&other.members, other.variance)
    }

    fn squared_distance_to_mean(&self, members: &[usize], variance: f64) -> f64 {
        let mean = members.iter().map(|&i| self.to_points[i]).sum::<f64>() / members.len() as f64;
        f64::max(mean - variance, 0.0)
    }

    fn window(&self, squared_bandwidth: f64) -> Vec<usize> {
        (0..self.to_points.len()).filter(|&i| self.to_points[i] <= squared_bandwidth).collect()
    }
}

/// The centers that differ, in the order of the first point from which each was reached.
#[derive(Debug)]
struct Centers {
    distinct: Vec<Center>,
}

impl Centers {
    fn at_every_point(squared: &Array2<f64>) -> Self {
        let n = squared.nrows();
        Self { distinct: (0..n).map(|i| Center::of(vec![i], squared)).collect() }
    }

    /// One iteration for all centers; the largest squared shift.
    fn advance(
        &mut self,
        squared: &Array2<f64>,
        squared_bandwidth: f64,
        rule: CentroidRule<'_>,
        rng: &mut dyn RngCore,
    ) -> Result<f64, Error> {
        let member = rule.draw(rng);
        let windows: Vec<Vec<usize>> = self.distinct.par_iter().map(|c| c.window(squared_bandwidth)).collect();
        // Where each center goes, by number; many windows are the same.
        let mut numbers: HashMap<Vec<usize>, usize> = HashMap::new();
        let mut sets: Vec<Vec<usize>> = Vec::new();
        let mut next = Vec::with_capacity(windows.len());
        for (center, mut window) in self.distinct.iter().zip(windows) {
            if window.is_empty() {
                // Only rounding can empty a window: the mean of points in a ball is no farther from them than its middle.
                window.clone_from(&center.members);
            }
            if let Some(member) = member {
                window = vec![member.of(NAME, &window)?];
            }
            let number = *numbers.entry(window).or_insert_with_key(|set| {
                sets.push(set.clone());
                sets.len() - 1
            });
            next.push(number);
        }
        let reached: Vec<Center> = sets.into_par_iter().map(|set| Center::of(set, squared)).collect();
        let shift = |(from, &to): (&Center, &usize)| {
            if from.members == reached[to].members { 0.0 } else { from.squared_distance(&reached[to]) }
        };
        let largest = self.distinct.par_iter().zip(&next).map(shift).collect::<Vec<_>>();
        self.distinct = reached;
        Ok(largest.into_iter().fold(0.0, f64::max))
    }

    /// Merges centers within one bandwidth, fullest window first, and gives each point the nearest that stays.
    fn labels(&self, squared_bandwidth: f64) -> Vec<usize> {
        let full: Vec<usize> = self.distinct.iter().map(|c| c.window(squared_bandwidth).len()).collect();
        let mut order: Vec<usize> = (0..self.distinct.len()).collect();
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

#[cfg(test)]
mod tests;
