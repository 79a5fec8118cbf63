use super::centroid_rule::{CentroidRule, Member};
use super::clusterer::{CentroidClusterer, Clusterer, Clustering, Points, PreferMember};
use super::distances::{Euclidean, NEGLIGIBLE, Scaled, failure, row, squared_distance, variances};
use crate::error::Error;
use crate::phylogeny::Remark;
use linfa::DatasetBase;
use linfa::prelude::{FitWith, ParamGuard, Predict};
use linfa_clustering::{IncrKMeansError, KMeans as LinfaKMeans, KMeansInit};
use ndarray::{Array1, Array2, Axis};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

const NAME: &str = "KMeans";

/// Restarts whose objectives differ by less than this share are equal but for rounding; the first is kept.
const TIE: f64 = 1e-9;

/// K families around K centroids: Lloyd's algorithm on linfa, with the paper's α rule.
///
/// From K of the points as centroids, drawn by k-means++ (each with probability proportional to its squared distance to the
/// nearest one drawn before), two steps alternate:
/// 1. each model joins its nearest centroid: `l_i = argmin_k ‖x_i − c_k‖²`;
/// 2. u ~ U(0, 1) is drawn once for all clusters. If `u < α`, `c_k` becomes the mean of its members; else it becomes the member
///    that the parent selector prefers.
///
/// They stop when `Σ_k ‖c_k − c_k′‖²` (the squared shift) is at most the tolerance times the mean squared distance of the models
/// to their mean, so that the scale of the weights does not matter. Of all restarts the partition with the least sum of squares
/// is kept, the first of equal ones: squared distances to its clusters' means at α = 1, to the members that the selector prefers
/// at α < 1. There a restart may end on either kind of iteration, and distances to means would pick those that ended on means.
///
/// *Assumes* families of similar extent, farther apart than they are wide. A far child draws a mean away from its family; α < 1
/// holds the centroid at an existing model.
///
/// # Settings
///
/// | setting | default | range |
/// |---|---|---|
/// | [`with_families`](Self::with_families) | the number of expected families | 1 to n_models |
/// | [`with_alpha`](Self::with_alpha) | 1 (means only: *identify after clustering*) | 0 to 1 |
/// | [`with_restarts`](Self::with_restarts) | 10 | from 1 |
/// | [`with_max_iterations`](Self::with_max_iterations) | 300 per restart | from 1 |
/// | [`with_tolerance`](Self::with_tolerance) | 1e-16: centroids rest to 1e-8 of the models' spread | finite, from 0 |
///
/// # Returns
///
/// A label for every model, no noise; [`Remark::Converged`] or [`Remark::NotConverged`] of the kept restart.
///
/// # Errors
///
/// [`Error::InvalidSetting`] for a setting out of range, and for α < 1 without a parent selector;
/// [`Error::FamilyCount`] when there are more families than models; [`Error::Clustering`] when a coordinate is not finite.
///
/// # Complexity
///
/// O(restarts · iterations · n_models · K · r) time, O(n_models · r) memory.
///
/// # Degenerate input
///
/// - No model gives no label.
/// - K at or above the number of different models: every different model is a family, and copies share one. There are then
///   fewer than K families.
/// - A cluster that loses all members restarts at the model farthest from every centroid; centroids are never NaN.
///
/// # Differs from
///
/// - *the paper's code*: seeds by squared distance (its "fps" by distance); keeps the best of several restarts; an empty cluster
///   restarts at a model rather than at 0; parents are chosen among the final members rather than taken from the last
///   iteration, where one draw decided between the medoid and the preferred member.
/// - *linfa's `fit`*, whose update counts the old centroid as a member ("m-k-means"): here each step is its incremental update
///   from nothing, which is the mean.
/// - *scikit-learn*: plain k-means++ without its extra trials per centroid; the tolerance is relative to the total rather than
///   the mean variance, which does not change when a rotation moves variance between coordinates.
///
/// # References
///
/// Yu, Wang: Neural Phylogeny, ICLR 2025, <https://openreview.net/forum?id=jv2zHOalpL> (the α rule).
/// Lloyd: Least squares quantization in PCM, 1982, <https://doi.org/10.1109/TIT.1982.1056489>.
/// Arthur, Vassilvitskii: k-means++: the advantages of careful seeding, SODA 2007.
///
/// # Example
///
/// ```
/// use ndarray::array;
/// use neural_phylogeny::{Clusterer, KMeans, Points};
/// use rand::SeedableRng;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let coordinates = array![[0.0, 0.1], [0.1, 0.0], [9.0, 9.1]];
/// let points = Points::new(coordinates.view(), &[0, 0, 1]);
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
///
/// let labels = KMeans::new().cluster(&points, &mut rng)?.labels;
/// assert_eq!(labels[0], labels[1]);
/// assert_ne!(labels[0], labels[2]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct KMeans {
    families: Option<usize>,
    alpha: f64,
    restarts: usize,
    max_iterations: usize,
    tolerance: f64,
}

impl Default for KMeans {
    fn default() -> Self {
        Self::new()
    }
}

impl KMeans {
    /// As many families as expected, α = 1, 10 restarts of at most 300 iterations, tolerance 1e-16.
    pub fn new() -> Self {
        Self { families: None, alpha: 1.0, restarts: 10, max_iterations: 300, tolerance: 1e-16 }
    }

    /// K, the number of families.
    pub fn with_families(mut self, families: usize) -> Self {
        self.families = Some(families);
        self
    }

    /// α, the share of iterations in which centroids become means.
    pub fn with_alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// How many seedings are tried.
    pub fn with_restarts(mut self, restarts: usize) -> Self {
        self.restarts = restarts;
        self
    }

    /// Iterations after which a restart stops, converged or not.
    pub fn with_max_iterations(mut self, iterations: usize) -> Self {
        self.max_iterations = iterations;
        self
    }

    /// The squared shift at which centroids are at rest, as a share of the mean squared distance of the models to their mean.
    pub fn with_tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    fn check(&self) -> Result<(), Error> {
        check_count("restarts", self.restarts)?;
        check_count("max_iterations", self.max_iterations)?;
        check_tolerance(self.tolerance)
    }

    fn best_run(
        &self,
        points: &Points<'_>,
        prefer: Option<&PreferMember<'_>>,
        rng: &mut dyn RngCore,
    ) -> Result<Option<Run>, Error> {
        self.check()?;
        let rule = CentroidRule::new(self.alpha, prefer)?;
        let scaled = Scaled::new(NAME, points)?;
        let families = family_count(self.families, points)?;
        if points.is_empty() {
            return Ok(None);
        }
        let lloyd = Lloyd::new(points, &scaled.coordinates, rule, self.max_iterations, self.tolerance);
        let mut best: Option<Run> = None;
        for _ in 0..self.restarts {
            let start = lloyd.seed(families, rng);
            let run = lloyd.run(start, rng)?;
            if best.as_ref().is_none_or(|b| run.objective < b.objective * (1.0 - TIE)) {
                best = Some(run);
            }
        }
        Ok(best)
    }

    fn divide(
        &self,
        points: &Points<'_>,
        prefer: Option<&PreferMember<'_>>,
        rng: &mut dyn RngCore,
    ) -> Result<Clustering, Error> {
        let Some(run) = self.best_run(points, prefer, rng)? else {
            return Ok(Clustering::default());
        };
        let remark = convergence(NAME, run.converged, run.iterations);
        Ok(Clustering::new(run.labels.into_iter().map(Some).collect()).with_remark(remark))
    }
}

impl Clusterer for KMeans {
    fn cluster(&self, points: &Points<'_>, rng: &mut dyn RngCore) -> Result<Clustering, Error> {
        self.divide(points, None, rng)
    }
}

impl CentroidClusterer for KMeans {
    fn cluster_along(
        &self,
        points: &Points<'_>,
        prefer: &PreferMember<'_>,
        rng: &mut dyn RngCore,
    ) -> Result<Clustering, Error> {
        self.divide(points, Some(prefer), rng)
    }
}

/// K as given or as expected, checked against the number of points; any K does for no point.
pub(super) fn family_count(given: Option<usize>, points: &Points<'_>) -> Result<usize, Error> {
    let n = points.len();
    let families = given.unwrap_or_else(|| points.expected_count());
    if given == Some(0) || (n > 0 && !(1..=n).contains(&families)) {
        let reason = "a family has at least one model";
        return Err(Error::FamilyCount { found: families, least: 1, most: n.max(1), reason });
    }
    Ok(families)
}

pub(super) fn check_count(setting: &'static str, found: usize) -> Result<(), Error> {
    if found > 0 {
        return Ok(());
    }
    Err(Error::InvalidSetting { setting, found: found.to_string(), expected: "at least 1" })
}

pub(super) fn check_tolerance(found: f64) -> Result<(), Error> {
    if found.is_finite() && found >= 0.0 {
        return Ok(());
    }
    Err(Error::InvalidSetting { setting: "tolerance", found: found.to_string(), expected: "a finite number from 0" })
}

pub(super) fn convergence(clusterer: &'static str, converged: bool, iterations: usize) -> Remark {
    if converged { Remark::Converged { clusterer, iterations } } else { Remark::NotConverged { clusterer, iterations } }
}

/// What one restart came to.
#[derive(Debug)]
struct Run {
    labels: Vec<usize>,
    /// Where the centroids came to rest: read by tests only, as parents are chosen among the final members.
    #[cfg_attr(not(test), expect(dead_code))]
    centroids: Array2<f64>,
    /// Sum of squared distances to the clusters' means or, where the selector takes part, to the members it prefers.
    objective: f64,
    iterations: usize,
    converged: bool,
}

/// Lloyd's algorithm on fixed points.
struct Lloyd<'a, 'p> {
    points: &'a Points<'p>,
    coordinates: &'a Array2<f64>,
    rule: CentroidRule<'a>,
    max_iterations: usize,
    /// Squared shift at which to stop, in the units of `coordinates`.
    at_rest: f64,
    /// Squared distances up to this are rounding.
    negligible: f64,
}

impl<'a, 'p> Lloyd<'a, 'p> {
    fn new(
        points: &'a Points<'p>,
        coordinates: &'a Array2<f64>,
        rule: CentroidRule<'a>,
        max_iterations: usize,
        tolerance: f64,
    ) -> Self {
        let spread = variances(coordinates).sum();
        Self { points, coordinates, rule, max_iterations, at_rest: tolerance * spread, negligible: NEGLIGIBLE * spread }
    }

    /// k-means++: fewer than K centroids when there are fewer different points.
    fn seed(&self, families: usize, rng: &mut dyn RngCore) -> Array2<f64> {
        let mut weights = vec![1.0; self.points.len()];
        let mut chosen = Vec::with_capacity(families);
        while chosen.len() < families {
            let total: f64 = weights.iter().sum();
            if total <= 0.0 {
                break;
            }
            let seed = weighted(&weights, rng.r#gen::<f64>() * total);
            let first = chosen.is_empty();
            chosen.push(seed);
            for (i, weight) in weights.iter_mut().enumerate() {
                let squared = squared_distance(row(self.coordinates, i), row(self.coordinates, seed));
                let squared = if squared > self.negligible { squared } else { 0.0 };
                *weight = if first { squared } else { weight.min(squared) };
            }
        }
        self.coordinates.select(Axis(0), &chosen)
    }

    fn run(&self, start: Array2<f64>, rng: &mut dyn RngCore) -> Result<Run, Error> {
        let mut centroids = start;
        let (mut iterations, mut converged) = (0, false);
        while iterations < self.max_iterations && !converged {
            let next = match self.rule.draw(rng) {
                None => self.means(&centroids)?,
                Some(member) => self.members(&centroids, member)?,
            };
            let shift: f64 = (0..next.nrows()).map(|k| squared_distance(row(&centroids, k), row(&next, k))).sum();
            converged = shift <= self.at_rest;
            centroids = next;
            iterations += 1;
        }
        let labels = self.nearest(&centroids)?;
        let objective = match self.rule.member() {
            None => within_sum_of_squares(self.coordinates, &labels, centroids.nrows()),
            Some(member) => {
                let chosen = self.chosen(&labels, &centroids, member)?;
                labels
                    .iter()
                    .enumerate()
                    .map(|(i, &k)| squared_distance(row(self.coordinates, i), row(&chosen, k)))
                    .sum()
            }
        };
        Ok(Run { labels, centroids, objective, iterations, converged })
    }

    /// One true Lloyd step: linfa's incremental update from given centroids and no history.
    fn step(&self, centroids: &Array2<f64>, observations: &Array2<f64>) -> Result<LinfaKMeans<f64, Euclidean>, Error> {
        // No random number is drawn from given centroids; linfa asks for a generator all the same.
        let unused = ChaCha8Rng::from_seed([0; 32]);
        let step = LinfaKMeans::params_with(centroids.nrows(), unused, Euclidean)
            .init_method(KMeansInit::Precomputed(centroids.clone()))
            .check()
            .map_err(|e| failure(NAME, self.points, e.to_string()))?
            .fit_with(None, &DatasetBase::from(observations.view()));
        match step {
            // Our own tolerance decides about convergence.
            Ok(model) | Err(IncrKMeansError::NotConverged(model)) => Ok(model),
            Err(other) => Err(failure(NAME, self.points, other.to_string())),
        }
    }

    fn means(&self, centroids: &Array2<f64>) -> Result<Array2<f64>, Error> {
        let model = self.step(centroids, self.coordinates)?;
        let mut next = model.centroids().clone();
        self.fill_empty(&mut next, |k| model.cluster_count()[k] == 0.0);
        Ok(next)
    }

    fn members(&self, centroids: &Array2<f64>, member: Member<'_>) -> Result<Array2<f64>, Error> {
        let labels = self.nearest(centroids)?;
        let mut next = self.chosen(&labels, centroids, member)?;
        self.fill_empty(&mut next, |k| !labels.contains(&k));
        Ok(next)
    }

    /// The preferred member of each cluster; the old centroid where there is no member.
    fn chosen(&self, labels: &[usize], centroids: &Array2<f64>, member: Member<'_>) -> Result<Array2<f64>, Error> {
        let mut clusters = vec![Vec::new(); centroids.nrows()];
        for (i, &label) in labels.iter().enumerate() {
            clusters[label].push(i);
        }
        let mut chosen = centroids.clone();
        for (k, members) in clusters.iter().enumerate().filter(|(_, members)| !members.is_empty()) {
            chosen.row_mut(k).assign(&self.coordinates.row(member.of(NAME, members)?));
        }
        Ok(chosen)
    }

    /// The nearest centroid of each point, the first of equally near ones.
    fn nearest(&self, centroids: &Array2<f64>) -> Result<Vec<usize>, Error> {
        // A step on the centroids themselves leaves them where they are: the only way to a linfa model that holds them.
        let model = self.step(centroids, centroids)?;
        let labels: Array1<usize> = model.predict(self.coordinates);
        Ok(labels.to_vec())
    }

    /// Moves each empty cluster to the point farthest from every centroid; where no point is away from one, it stays empty.
    fn fill_empty(&self, centroids: &mut Array2<f64>, is_empty: impl Fn(usize) -> bool) {
        let (empty, mut filled): (Vec<usize>, Vec<usize>) = (0..centroids.nrows()).partition(|&k| is_empty(k));
        for k in empty {
            let distance = |i: usize, centroids: &Array2<f64>| {
                let to = |&k: &usize| squared_distance(row(self.coordinates, i), row(centroids, k));
                filled.iter().map(to).fold(f64::INFINITY, f64::min)
            };
            let mut farthest = (0, self.negligible);
            for i in 0..self.points.len() {
                let squared = distance(i, centroids);
                if squared > farthest.1 {
                    farthest = (i, squared);
                }
            }
            if farthest.1 > self.negligible {
                centroids.row_mut(k).assign(&self.coordinates.row(farthest.0));
                filled.push(k);
            }
        }
    }
}

/// The first position at which the running sum exceeds `target`, else the last with a weight.
fn weighted(weights: &[f64], target: f64) -> usize {
    let mut sum = 0.0;
    let mut last = 0;
    for (i, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        sum += weight;
        last = i;
        if sum > target {
            break;
        }
    }
    last
}

fn within_sum_of_squares(coordinates: &Array2<f64>, labels: &[usize], families: usize) -> f64 {
    let mut means = Array2::<f64>::zeros((families, coordinates.ncols()));
    let mut counts = vec![0.0; families];
    for (point, &label) in coordinates.rows().into_iter().zip(labels) {
        counts[label] += 1.0;
        means.row_mut(label).zip_mut_with(&point, |mean, &x| *mean += x);
    }
    for (mut mean, &count) in means.rows_mut().into_iter().zip(&counts) {
        mean /= f64::max(count, 1.0);
    }
    labels.iter().enumerate().map(|(i, &label)| squared_distance(row(coordinates, i), row(&means, label))).sum()
}

#[cfg(test)]
mod tests;
