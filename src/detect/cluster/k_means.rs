mod lloyd;
mod seeding;

pub use seeding::Seeding;

use super::CentroidDetector;
use super::centroid_rule::{Alpha, CentroidRule, Preference};
use super::clusterer::{CentroidClusterer, Clusterer, Clustering, MemberScores, Points};
use super::distances::Distances;
use super::settings::{ALPHA, alpha, check_count, check_tolerance, convergence, family_count, whole};
use super::sweep;
use crate::detect::{NamedDetector, NamedSetting};
use crate::error::Error;
use lloyd::{Lloyd, Means, Run, seed};
use rand::RngCore;

const NAME: &str = "KMeans";

/// The share by which objectives of restarts must differ to be unequal. Below it they differ by rounding, and the first is
/// kept.
const TIE: f64 = 1e-9;

/// K families around K centroids: Lloyd's algorithm, with the paper's α rule.
///
/// The algorithm begins with K of the models as centroids ([`Seeding`]). Then two steps alternate:
/// 1. Each model joins its nearest centroid: `l_i = argmin_k ‖x_i − c_k‖²`, and of equally near ones the first.
/// 2. u ~ U(0, 1) is drawn once for all clusters. If `u < α`, `c_k` becomes the mean of its members. Otherwise it becomes the
///    member that the parent selector prefers. That is the member of lowest score, and of equal ones the first in the order
///    of the models' content.
///
/// The steps stop when the squared shift `Σ_k ‖c_k − c_k′‖²` is small. It may be at most the tolerance times the mean squared
/// distance of the models to their mean. So the scale of the weights does not matter.
///
/// One restart is kept: the one whose partition has the least sum of squares, and of equal ones the first. At α = 1 the sum
/// is over squared distances to the clusters' means. At α < 1 it is over squared distances to the members that the selector
/// prefers. There a restart may end on either kind of iteration, and distances to means would favor those that ended on
/// means.
///
/// *Assumes* families of similar extent, farther apart than they are wide. A far child draws a mean away from its family; α < 1
/// holds the centroid at an existing model.
///
/// # Settings
///
/// | setting | default | range |
/// |---|---|---|
/// | [`with_families`](Self::with_families) | the number of expected families | 1 to n_models |
/// | [`with_seeding`](Self::with_seeding) | [`Seeding::PlusPlus`] | see [`Seeding`] |
/// | [`with_restarts`](Self::with_restarts) | 10 | from 1 |
/// | [`with_max_iterations`](Self::with_max_iterations) | 300 per restart | from 1 |
/// | [`with_tolerance`](Self::with_tolerance) | 1e-16: centroids rest to 1e-8 of the models' spread | finite, from 0 |
///
/// # Returns
///
/// A label for every model, and no noise. Remarks: [`Converged`](crate::phylogeny::Remark::Converged) or
/// [`NotConverged`](crate::phylogeny::Remark::NotConverged) for the kept restart, and
/// [`AlphaChosen`](crate::phylogeny::Remark::AlphaChosen) after a sweep.
///
/// # Errors
///
/// - [`Error::InvalidSetting`] for a setting or α out of range, and for likely parents without a parent selector.
/// - [`Error::FamilyCount`] for more families than models.
/// - [`Error::Clustering`] when a coordinate is not finite.
///
/// # Complexity
///
/// O(n_models²) time once to look distances up, then at most O(n_models²) per iteration, for any K and any number of
/// coordinates. Clusters that occurred before, as in restarts, cost O(K · n_models). O(n_models²) memory.
///
/// A centroid is a model or the mean of some models. Its distances to models follow from their distances to each other:
/// `‖x_j − mean(W)‖² = mean_i d²(i, j) − V`, with `V = mean_ij d²(i, j) / 2` over the members W.
///
/// # Degenerate input
///
/// - No model gives no label.
/// - If K is at or above the number of different models, every different model is a family, and copies share one. There are
///   then fewer than K families.
/// - A cluster that loses all members restarts at the model farthest from every centroid. Centroids are never NaN.
///
/// # Differs from
///
/// - *the paper's code*: seeds are drawn by squared distance (its "fps" by distance). The best of several restarts is kept. An
///   empty cluster restarts at a model rather than at 0. Parents are chosen among the final members. The paper's code takes
///   them from the last iteration, where one draw decided between the medoid and the preferred member.
/// - *linfa*: the loop runs on distances, not coordinates. On coordinates, linfa spends n_models · r · K operations on each
///   assignment (`docs/alpha.md` has the figures). Each step equals linfa's incremental update from nothing, to 1e-12; a test
///   holds this. linfa's `fit` is another algorithm, whose update counts the old centroid as a member ("m-k-means").
/// - *scikit-learn*: k-means++ is plain, without extra trials per centroid. The tolerance is relative to the total variance
///   rather than the mean variance, so it does not change when a rotation moves variance between coordinates.
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
/// use neural_phylogeny::Clusterer;
/// use neural_phylogeny::detect::cluster::{KMeans, Points};
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
    seeding: Seeding,
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
    /// The clusterer with as many families as expected, seeds among all models, 10 restarts of at most 300 iterations, and
    /// tolerance 1e-16.
    pub fn new() -> Self {
        Self { families: None, seeding: Seeding::PlusPlus, restarts: 10, max_iterations: 300, tolerance: 1e-16 }
    }

    /// Sets K, the number of families, in 1 to n_models. Default: the number of expected families.
    pub fn with_families(mut self, families: usize) -> Self {
        self.families = Some(families);
        self
    }

    /// Sets which models the first centroids are drawn from. Default: all models, [`Seeding::PlusPlus`].
    pub fn with_seeding(mut self, seeding: Seeding) -> Self {
        self.seeding = seeding;
        self
    }

    /// Sets how many seedings are tried, at least 1. Default: 10.
    pub fn with_restarts(mut self, restarts: usize) -> Self {
        self.restarts = restarts;
        self
    }

    /// Sets the number of iterations after which a restart stops, converged or not; at least 1. Default: 300.
    pub fn with_max_iterations(mut self, iterations: usize) -> Self {
        self.max_iterations = iterations;
        self
    }

    /// Sets the squared shift at which centroids are at rest, as a share of the mean squared distance of the models to their
    /// mean.
    ///
    /// It is finite and at least 0. Default: 1e-16.
    pub fn with_tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Refuses settings out of range.
    fn check_settings(&self) -> Result<(), Error> {
        self.seeding.check()?;
        check_count("restarts", self.restarts)?;
        check_count("max_iterations", self.max_iterations)?;
        check_tolerance(self.tolerance)
    }

    /// The best of all restarts at one α.
    fn best_run(
        &self,
        means: &Means<'_>,
        families: usize,
        rule: CentroidRule<'_>,
        among: &[usize],
        rng: &mut dyn RngCore,
    ) -> Result<Run, Error> {
        let lloyd = Lloyd::new(means, rule, self.max_iterations, self.tolerance);
        let mut best: Option<Run> = None;
        for _ in 0..self.restarts {
            let start = seed(means.distances, among, families, rng);
            let run = lloyd.run(&start, rng)?;
            if best.as_ref().is_none_or(|b| run.objective < b.objective * (1.0 - TIE)) {
                best = Some(run);
            }
        }
        Ok(best.expect("at least one restart"))
    }

    /// Clusters the points, along with the selector or without it. No run takes place without points.
    fn divide(
        &self,
        points: &Points<'_>,
        along: Option<(Alpha, &MemberScores<'_>)>,
        rng: &mut dyn RngCore,
    ) -> Result<(Option<Run>, Clustering), Error> {
        self.check_settings()?;
        let alpha = along.map_or(Alpha::default(), |(alpha, _)| alpha);
        alpha.check()?;
        // One cache of choices serves all runs of a sweep.
        let preference = along.map(|(_, scores)| Preference::new(scores));
        let preference = preference.as_ref();
        let distances = Distances::new(NAME, points)?;
        let families = family_count(self.families, points)?;
        if points.is_empty() {
            return Ok((None, Clustering::default()));
        }
        let means = Means::new(&distances);
        // Candidates do not depend on α or the restart, so the selector scores them once.
        let among = self.seeding.candidates(&distances, families, preference)?;
        let run = |alpha, rng: &mut dyn RngCore| {
            self.best_run(&means, families, CentroidRule::new(alpha, preference), &among, rng)
        };
        let (run, chosen) = sweep::at(NAME, alpha, points.expected, rng, run, |run| &run.labels)?;
        let mut clustering = Clustering::new(run.labels.iter().copied().map(Some).collect());
        clustering.remarks.extend(chosen);
        let remark = convergence(NAME, run.converged, run.iterations);
        Ok((Some(run), clustering.with_remark(remark)))
    }
}

/// What the detector around it is called, and its settings.
pub(super) const NAMED: NamedDetector = NamedDetector::new(
    "kmeans",
    "KMeans",
    &[
        ALPHA,
        NamedSetting::new("restarts", "N", "seedings tried, of which the best is kept [default: 10]", |word| {
            whole("restarts", word).map(drop)
        }),
        NamedSetting::new(
            "seeding",
            "plus-plus|likely-parents[:SHARE]",
            "which models the first centroids are drawn from, `plus-plus` for all, or `likely-parents` for the share (0.2 \
             unless given) of smallest scores of the selector [default: plus-plus]",
            |word| word.parse::<Seeding>().map(drop),
        ),
    ],
    |families, words| {
        let restarts = words.value("restarts", |word| whole("restarts", word))?;
        let seeding = words.value("seeding", str::parse::<Seeding>)?;
        let k_means = restarts.into_iter().fold(KMeans::new(), KMeans::with_restarts);
        let k_means = seeding.into_iter().fold(k_means, KMeans::with_seeding);
        Ok(Box::new(CentroidDetector::new(k_means).with_alpha(alpha(words)?).with_families(families)))
    },
);

impl Clusterer for KMeans {
    /// Refuses likely parents too, because no scores are at hand here.
    fn check(&self) -> Result<(), Error> {
        self.check_settings()?;
        self.seeding.check_alone()
    }

    fn cluster(&self, points: &Points<'_>, rng: &mut dyn RngCore) -> Result<Clustering, Error> {
        Ok(self.divide(points, None, rng)?.1)
    }
}

impl CentroidClusterer for KMeans {
    fn check_along(&self) -> Result<(), Error> {
        self.check_settings()
    }

    fn cluster_along(
        &self,
        points: &Points<'_>,
        alpha: Alpha,
        scores: &MemberScores<'_>,
        rng: &mut dyn RngCore,
    ) -> Result<Clustering, Error> {
        Ok(self.divide(points, Some((alpha, scores)), rng)?.1)
    }
}

#[cfg(test)]
mod tests;
