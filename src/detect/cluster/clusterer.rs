use super::centroid_rule::Alpha;
use super::distances::squared_distances;
use crate::error::Error;
use crate::geometry::{Comparison, Coordinates};
use crate::phylogeny::Remark;
use ndarray::{Array2, ArrayView2};
use rand::RngCore;
use std::fmt::Debug;
use std::sync::OnceLock;

/// The input of a clusterer: one point per model, and the families that the independence test (or the caller) expects.
///
/// Points are in an order that depends on the weights alone. So a seeded clusterer gives the same families in whatever order
/// models were given.
///
/// ```
/// use neural_phylogeny::detect::cluster::Points;
/// use neural_phylogeny::ndarray::array;
/// let coordinates = array![[0.0, 3.0], [4.0, 0.0]];
/// let points = Points::new(coordinates.view(), &[0, 1]);
/// assert_eq!((points.len(), points.expected_count()), (2, 2));
/// assert!((points.squared_distances()[(0, 1)] - 25.0).abs() < 1e-9);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Points<'a> {
    /// The expected family of each model, numbered from 0 by first appearance; length n_models.
    pub expected: &'a [usize],
    source: PointSource<'a>,
}

/// The places of points. Coordinates of models are computed when they are first needed.
#[derive(Clone, Debug)]
enum PointSource<'a> {
    Coordinates(ArrayView2<'a, f64>),
    Models { comparison: Comparison, coordinates: OnceLock<Coordinates> },
}

impl<'a> Points<'a> {
    /// Points from coordinates of shape (n_models, r), with one expected family per row.
    ///
    /// # Panics
    ///
    /// Panics when `expected` has another length than `coordinates` has rows.
    pub fn new(coordinates: ArrayView2<'a, f64>, expected: &'a [usize]) -> Self {
        assert_eq!(coordinates.nrows(), expected.len(), "one expected family per point");
        Self { expected, source: PointSource::Coordinates(coordinates) }
    }

    /// Points from comparable models, with one expected family per model.
    ///
    /// # Panics
    ///
    /// Panics when `expected` has another length than `comparison`.
    pub fn from_models(comparison: Comparison, expected: &'a [usize]) -> Self {
        assert_eq!(comparison.len(), expected.len(), "one expected family per model");
        Self { expected, source: PointSource::Models { comparison, coordinates: OnceLock::new() } }
    }

    /// Coordinates of shape (n_models, r), with columns by falling variance.
    ///
    /// Euclidean distances of rows are those of the models' flattened parameters. r is 0 when all models are the same. In a
    /// detector all coordinates are finite.
    ///
    /// # Errors
    ///
    /// [`Error::Decomposition`] when the distances of the models are not finite.
    ///
    /// # Complexity
    ///
    /// For models, O(n_models³) time at the first call and nothing after that. A clusterer that needs only distances should use
    /// [`squared_distances`](Self::squared_distances).
    pub fn coordinates(&self) -> Result<ArrayView2<'_, f64>, Error> {
        match &self.source {
            PointSource::Coordinates(coordinates) => Ok(coordinates.view()),
            PointSource::Models { comparison, coordinates } => {
                if let Some(known) = coordinates.get() {
                    return Ok(known.values.view());
                }
                // Two threads may compute at once. Both get the same coordinates, and one result is kept.
                let computed = comparison.coordinates()?;
                Ok(coordinates.get_or_init(|| computed).values.view())
            }
        }
    }

    /// Squared distances of shape (n_models, n_models), symmetric, zero diagonal.
    ///
    /// For models they are looked up, and 0 between identical ones. For coordinates, `d²(i,j) = g(i,i) + g(j,j) − 2 g(i,j)`.
    /// Pairs so near that this cancels are summed directly: the relative error stays below about 1e-9. Coordinates beyond
    /// 1e150 overflow.
    ///
    /// # Complexity
    ///
    /// O(n_models² · parameters) time for models, O(n_models² · r) for coordinates, at every call.
    pub fn squared_distances(&self) -> Array2<f64> {
        match &self.source {
            PointSource::Coordinates(coordinates) => squared_distances(coordinates.view()),
            PointSource::Models { comparison, .. } => comparison.squared_distances(),
        }
    }

    /// The number r of coordinates; where they are not computed yet, the most there can be.
    pub(super) fn width(&self) -> usize {
        match &self.source {
            PointSource::Coordinates(coordinates) => coordinates.ncols(),
            PointSource::Models { coordinates, .. } => {
                coordinates.get().map_or(self.len().saturating_sub(1), |known| known.values.ncols())
            }
        }
    }

    /// The coordinates that the points were made from; `None` for points made from models.
    pub(super) fn given_coordinates(&self) -> Option<ArrayView2<'_, f64>> {
        match &self.source {
            PointSource::Coordinates(coordinates) => Some(coordinates.view()),
            PointSource::Models { .. } => None,
        }
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.expected.len()
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.expected.is_empty()
    }

    /// The number of expected families: the K of clusterers that need one.
    pub fn expected_count(&self) -> usize {
        self.expected.iter().max().map_or(0, |&last| last + 1)
    }
}

/// The result of a clusterer.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Clustering {
    /// One label for each point, or `None` for noise. Labels may have any numbering.
    pub labels: Vec<Option<usize>>,
    /// What a user should know of the run.
    pub remarks: Vec<Remark>,
}

impl Clustering {
    /// A clustering with these labels and no remarks.
    pub fn new(labels: Vec<Option<usize>>) -> Self {
        Self { labels, remarks: Vec::new() }
    }

    /// Adds one remark.
    pub fn with_remark(mut self, remark: Remark) -> Self {
        self.remarks.push(remark);
        self
    }
}

/// A method that divides points into clusters.
///
/// Clusterers of linfa are adapted by [`Linfa`](crate::detect::cluster::Linfa) in one line.
///
/// # Contract
///
/// - The result has one label, or `None` for noise, per point. Labels need not be consecutive.
/// - The same points, settings and random numbers give the same clustering.
/// - All randomness comes from `rng`.
/// - Settings out of range, and points that the method cannot handle, give an [`Error`], never a panic. 0 points, 0
///   coordinates, identical points and more families than points do occur.
///
/// `testing::check_clusterer` (feature `testing`) checks an implementation. References, boxes and `Arc`s of a clusterer are
/// clusterers.
///
/// ```
/// use neural_phylogeny::rand::RngCore;
/// use neural_phylogeny::{Clusterer, Config, Error, InMemory, ModelSet, detect_phylogeny};
/// use neural_phylogeny::detect::cluster::{ClusterDetector, Clustering, Points};
///
/// /// Every model joins the first one that is nearer than a radius.
/// #[derive(Debug)]
/// struct Leaders(f64);
///
/// impl Clusterer for Leaders {
///     fn cluster(&self, points: &Points<'_>, _: &mut dyn RngCore) -> Result<Clustering, Error> {
///         let squared = points.squared_distances();
///         let mut labels: Vec<usize> = Vec::new();
///         for i in 0..points.len() {
///             let leader = (0..i).find(|&j| labels[j] == j && squared[(i, j)] < self.0 * self.0);
///             labels.push(leader.unwrap_or(i));
///         }
///         Ok(Clustering::new(labels.into_iter().map(Some).collect()))
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = |w| InMemory::new().with_parameter("w", [2, 2], vec![w; 4]);
/// let models = ModelSet::builder().with_model("a", model(1.0)?).with_model("b", model(1.1)?).with_model("c", model(9.0)?).build()?;
/// let phylogeny = detect_phylogeny(&models, Config::new().with_detector(ClusterDetector::new(Leaders(1.0))))?;
/// assert_eq!(phylogeny.families().len(), 2);
/// # Ok(())
/// # }
/// ```
pub trait Clusterer: Send + Sync + Debug {
    /// Refuses settings out of range, before any model is read. By default it refuses nothing.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] where [`cluster`](Self::cluster) would return it.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Divides the points into clusters.
    ///
    /// # Errors
    ///
    /// An error when a setting is out of range or the method fails on these points.
    fn cluster(&self, points: &Points<'_>, rng: &mut dyn RngCore) -> Result<Clustering, Error>;
}

/// The parent selector as a function: from positions of points to as many finite scores. The lowest score is preferred.
///
/// Positions are ascending and not empty. Points are in an order that depends on the weights alone, and of equal scores the
/// first is preferred. So the models' content decides, not their names or the order in which they were given. (That is so for
/// centroids on the way. In the result an equal score is a tie.)
pub type MemberScores<'a> = dyn Fn(&[usize]) -> Result<Vec<f64>, Error> + 'a;

/// A clusterer that moves centroids and can therefore follow the α rule.
///
/// α is a setting of [`CentroidDetector`](crate::detect::cluster::CentroidDetector), which passes it on. At α = 1, and if no
/// setting of the clusterer needs scores, [`cluster_along`](Self::cluster_along) is [`cluster`](Clusterer::cluster).
///
/// ```
/// use neural_phylogeny::ndarray::array;
/// use neural_phylogeny::detect::cluster::{Alpha, CentroidClusterer, KMeans, Points};
/// use rand::SeedableRng;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let coordinates = array![[0.0], [0.1], [9.0], [9.1]];
/// let points = Points::new(coordinates.view(), &[0, 0, 1, 1]);
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// // The first of the members is preferred.
/// let scores = |members: &[usize]| Ok(members.iter().map(|&m| m as f64).collect());
///
/// let clustering = KMeans::new().cluster_along(&points, Alpha::Fixed(0.5), &scores, &mut rng)?;
/// assert_eq!(clustering.labels[0], clustering.labels[1]);
/// # Ok(())
/// # }
/// ```
pub trait CentroidClusterer: Clusterer {
    /// Refuses settings out of range for [`cluster_along`](Self::cluster_along), before any model is read. By default it is
    /// [`check`](Clusterer::check). A clusterer differs here when one of its settings needs scores.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] where [`cluster_along`](Self::cluster_along) would return it for any α.
    fn check_along(&self) -> Result<(), Error> {
        self.check()
    }

    /// Divides the points by the α rule.
    ///
    /// In the iterations that the rule gives to the parent selector, the member with the lowest of `scores` becomes the
    /// centroid. A clusterer that cannot sweep refuses [`Alpha::Sweep`].
    ///
    /// # Errors
    ///
    /// Those of [`cluster`](Clusterer::cluster), [`Error::InvalidSetting`] for α, and every error of `scores`.
    fn cluster_along(
        &self,
        points: &Points<'_>,
        alpha: Alpha,
        scores: &MemberScores<'_>,
        rng: &mut dyn RngCore,
    ) -> Result<Clustering, Error>;
}
