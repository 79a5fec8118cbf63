use crate::error::Error;
use crate::phylogeny::Remark;
use ndarray::ArrayView2;
use rand::RngCore;
use std::fmt::Debug;

/// What a clusterer sees: one point per model, and what the independence test (or the caller) expects of them.
///
/// Points come in an order that depends on the weights alone, so that a seeded clusterer gives the same families whatever the
/// order in which models were given.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Points<'a> {
    /// Coordinates of shape (n_models, r), columns by falling variance; Euclidean distances of rows are those of the models'
    /// flattened parameters. r is 0 when all models are the same. Always finite.
    pub coordinates: ArrayView2<'a, f64>,
    /// The expected family of each model, numbered from 0 by first appearance; length n_models.
    pub expected: &'a [usize],
}

impl<'a> Points<'a> {
    /// Points with expected families.
    ///
    /// # Panics
    ///
    /// When there is not one expected family per row.
    pub fn new(coordinates: ArrayView2<'a, f64>, expected: &'a [usize]) -> Self {
        assert_eq!(coordinates.nrows(), expected.len(), "one expected family per point");
        Self { coordinates, expected }
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

/// Anything that divides points into clusters; a linfa clusterer is wrapped in ten lines.
///
/// # Contract
///
/// - One label, or `None` for noise, per point. Labels need not be consecutive.
/// - The same points, settings and random numbers give the same clustering.
/// - All randomness comes from `rng`.
/// - Settings out of range, and points the method cannot handle, are an [`Error`], never a panic: 0 points, 0 coordinates,
///   identical points and more families than points do occur.
///
/// `testing::check_clusterer` (feature `testing`) checks an implementation.
pub trait Clusterer: Send + Sync + Debug {
    /// Divides the points.
    ///
    /// # Errors
    ///
    /// When a setting is out of range or the method fails on these points.
    fn cluster(&self, points: &Points<'_>, rng: &mut dyn RngCore) -> Result<Clustering, Error>;
}

/// Which of some points the parent selector prefers: positions of points in, one of them out.
pub type PreferMember<'a> = dyn Fn(&[usize]) -> Result<usize, Error> + 'a;

/// A clusterer that moves centroids and can therefore follow the α rule.
///
/// α is a setting of the clusterer. At α = 1 [`cluster_along`](Self::cluster_along) is [`cluster`](Clusterer::cluster).
pub trait CentroidClusterer: Clusterer {
    /// Divides the points, letting `prefer` choose the centroids of the iterations that the α rule gives to it.
    ///
    /// # Errors
    ///
    /// As [`cluster`](Clusterer::cluster), and whatever `prefer` returns.
    fn cluster_along(
        &self,
        points: &Points<'_>,
        prefer: &PreferMember<'_>,
        rng: &mut dyn RngCore,
    ) -> Result<Clustering, Error>;
}
