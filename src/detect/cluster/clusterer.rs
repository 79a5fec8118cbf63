use super::centroid_rule::Alpha;
use super::distances::squared_distances;
use crate::error::Error;
use crate::geometry::{Comparison, Coordinates};
use crate::phylogeny::Remark;
use ndarray::{Array2, ArrayView2};
use rand::RngCore;
use std::fmt::Debug;
use std::sync::OnceLock;

/// What a clusterer sees: one point per model, and what the independence test (or the caller) expects of them.
///
/// Points come in an order that depends on the weights alone, so that a seeded clusterer gives the same families whatever the
/// order in which models were given.
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
    place: Place<'a>,
}

/// Where points lie: each form is computed from the other when it is asked for.
#[derive(Clone, Debug)]
enum Place<'a> {
    Coordinates(ArrayView2<'a, f64>),
    Models { comparison: Comparison, coordinates: OnceLock<Coordinates> },
}

impl<'a> Points<'a> {
    /// Points with expected families, from coordinates of shape (n_models, r).
    ///
    /// # Panics
    ///
    /// When there is not one expected family per row.
    pub fn new(coordinates: ArrayView2<'a, f64>, expected: &'a [usize]) -> Self {
        assert_eq!(coordinates.nrows(), expected.len(), "one expected family per point");
        Self { expected, place: Place::Coordinates(coordinates) }
    }

    /// Points with expected families, from comparable models.
    ///
    /// # Panics
    ///
    /// When there is not one expected family per model.
    pub fn from_models(comparison: Comparison, expected: &'a [usize]) -> Self {
        assert_eq!(comparison.len(), expected.len(), "one expected family per model");
        Self { expected, place: Place::Models { comparison, coordinates: OnceLock::new() } }
    }

    /// Coordinates of shape (n_models, r), columns by falling variance; Euclidean distances of rows are those of the models'
    /// flattened parameters. r is 0 when all models are the same. Always finite in a detector.
    ///
    /// # Errors
    ///
    /// [`Error::Decomposition`] when the distances of the models are not finite.
    ///
    /// # Complexity
    ///
    /// O(n_models³) at the first call on models, nothing after that: a clusterer that needs nothing but distances takes
    /// [`squared_distances`](Self::squared_distances).
    pub fn coordinates(&self) -> Result<ArrayView2<'_, f64>, Error> {
        match &self.place {
            Place::Coordinates(coordinates) => Ok(coordinates.view()),
            Place::Models { comparison, coordinates } => {
                if let Some(known) = coordinates.get() {
                    return Ok(known.values.view());
                }
                let computed = comparison.coordinates()?;
                Ok(coordinates.get_or_init(|| computed).values.view())
            }
        }
    }

    /// Squared distances of shape (n_models, n_models), symmetric, zero diagonal.
    ///
    /// Looked up for models, 0 between identical ones. From coordinates, pairs so near that
    /// `d²(i,j) = g(i,i) + g(j,j) − 2 g(i,j)` cancels are summed directly: the relative error stays below about 1e-9. Coordinates beyond 1e150 overflow.
    ///
    /// # Complexity
    ///
    /// O(n_models² · parameters) for models, O(n_models² · r) for coordinates, at every call.
    pub fn squared_distances(&self) -> Array2<f64> {
        match &self.place {
            Place::Coordinates(coordinates) => squared_distances(coordinates.view()),
            Place::Models { comparison, .. } => comparison.squared_distances(),
        }
    }

    /// r, or the most it can be where coordinates have not been asked for.
    pub(super) fn width(&self) -> usize {
        match &self.place {
            Place::Coordinates(coordinates) => coordinates.ncols(),
            Place::Models { coordinates, .. } => {
                coordinates.get().map_or(self.len().saturating_sub(1), |known| known.values.ncols())
            }
        }
    }

    /// The coordinates the points were made from, unless they were made from models.
    pub(super) fn given_coordinates(&self) -> Option<ArrayView2<'_, f64>> {
        match &self.place {
            Place::Coordinates(coordinates) => Some(coordinates.view()),
            Place::Models { .. } => None,
        }
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.expected.len()
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.expected.is_empty()
    }

    /// Number of expected families: the K of clusterers that need one.
    pub fn expected_count(&self) -> usize {
        self.expected.iter().max().map_or(0, |&last| last + 1)
    }
}

/// What a clusterer found.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Clustering {
    /// A label per point, or `None` for noise; any numbering.
    pub labels: Vec<Option<usize>>,
    /// What a person should know of the run.
    pub remarks: Vec<Remark>,
}

impl Clustering {
    /// Labels without remarks.
    pub fn new(labels: Vec<Option<usize>>) -> Self {
        Self { labels, remarks: Vec::new() }
    }

    /// Adds a remark.
    pub fn with_remark(mut self, remark: Remark) -> Self {
        self.remarks.push(remark);
        self
    }
}

/// Anything that divides points into clusters; linfa's own come by [`Linfa`](crate::detect::cluster::Linfa) in a line.
///
/// # Contract
///
/// - One label, or `None` for noise, per point. Labels need not be consecutive.
/// - The same points, settings and random numbers give the same clustering.
/// - All randomness comes from `rng`.
/// - Settings out of range, and points the method cannot handle, are an [`Error`], never a panic: 0 points, 0 coordinates,
///   identical points and more families than points do occur.
///
/// `testing::check_clusterer` (feature `testing`) checks an implementation. References, boxes and `Arc`s of a clusterer are clusterers.
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
/// let model = |w| InMemory::new().with_parameter("w", &[2, 2], vec![w; 4]);
/// let models = ModelSet::builder().with_model("a", model(1.0)?).with_model("b", model(1.1)?).with_model("c", model(9.0)?).build()?;
/// let phylogeny = detect_phylogeny(&models, Config::new().with_detector(ClusterDetector::new(Leaders(1.0))))?;
/// assert_eq!(phylogeny.families().len(), 2);
/// # Ok(())
/// # }
/// ```
pub trait Clusterer: Send + Sync + Debug {
    /// Refuses settings out of range, before any model is read.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] where [`cluster`](Self::cluster) would return it.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Divides the points.
    ///
    /// # Errors
    ///
    /// When a setting is out of range or the method fails on these points.
    fn cluster(&self, points: &Points<'_>, rng: &mut dyn RngCore) -> Result<Clustering, Error>;
}

/// The parent selector's scores of some points: positions of points in, as many finite scores out, the lowest preferred.
///
/// Positions are ascending and not empty. Points come in an order that depends on the weights alone: of equal scores the first
/// is preferred, which is therefore settled by the models' content, not by their names or the order in which they were given.
/// (That is for centroids on the way; in the result an equal score is a tie.)
pub type MemberScores<'a> = dyn Fn(&[usize]) -> Result<Vec<f64>, Error> + 'a;

/// A clusterer that moves centroids and can therefore follow the α rule.
///
/// α is a setting of [`CentroidDetector`](crate::detect::cluster::CentroidDetector), which hands it over. At α = 1, as long as no setting of the
/// clusterer needs scores, [`cluster_along`](Self::cluster_along) is [`cluster`](Clusterer::cluster).
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
    /// Divides the points, letting the member with the lowest of `scores` be the centroid in the iterations that the α rule
    /// gives to the parent selector. A clusterer that cannot sweep refuses [`Alpha::Sweep`].
    ///
    /// # Errors
    ///
    /// As [`cluster`](Clusterer::cluster), [`Error::InvalidSetting`] for α, and whatever `scores` returns.
    fn cluster_along(
        &self,
        points: &Points<'_>,
        alpha: Alpha,
        scores: &MemberScores<'_>,
        rng: &mut dyn RngCore,
    ) -> Result<Clustering, Error>;
}
