use super::ClusterDetector;
use super::clusterer::{Clusterer, Clustering, Points};
use super::distances::{Distances, failure};
use super::radius;
use super::settings::{check_radius, parsed, whole};
use crate::detect::{NamedDetector, NamedSetting};
use crate::error::Error;
use crate::phylogeny::Remark;
use linfa::prelude::{ParamGuard, Transformer};
use linfa_nn::CommonNearestNeighbour;
use linfa_nn::distance::Distance;
use ndarray::{Array1, Array2, ArrayView, Dimension};
use rand::RngCore;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

const NAME: &str = "DBSCAN";

/// The distance within which two models are neighbors for [`Dbscan`]: its eps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Radius {
    /// The radius that links the expected families and, where possible, no two of them.
    ///
    /// Let *links* be the edges of the minimum spanning tree of each expected family. Let *gaps* be the distances from each
    /// model to the nearest model of another family. eps is a link plus a millionth for rounding. It is the link with the
    /// least `|{link > eps}| / |links| + |{gap ≤ eps}| / |gaps|`. If every link is shorter than every gap, it is the longest
    /// link. At two models per neighborhood, this is the smallest radius that gives the expected families back.
    #[default]
    Expected,
    /// A distance between flattened weights, finite and above 0.
    Fixed(f64),
}

impl From<f64> for Radius {
    fn from(radius: f64) -> Self {
        Self::Fixed(radius)
    }
}

/// Written as `expected` or as the distance.
impl fmt::Display for Radius {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected => f.pad("expected"),
            Self::Fixed(radius) => radius.fmt(f),
        }
    }
}

impl FromStr for Radius {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "expected" => Ok(Self::Expected),
            radius => parsed("eps", radius, "a distance above 0, or `expected`").map(Self::Fixed),
        }
    }
}

/// Families as chains of near models: linfa's DBSCAN.
///
/// A model is a core when at least `min_points` models, itself included, lie within eps of it (a distance of exactly eps
/// counts). Cores within eps of each other share a family. Other models join the family of a core within eps, or are noise.
///
/// *Assumes* that steps within families are shorter than gaps between them. Families may have any shape. The number of families
/// follows from the radius. It moves no centroid, so the α rule does not apply.
///
/// # Settings
///
/// | setting | default | range |
/// |---|---|---|
/// | [`with_radius`](Self::with_radius) | [`Radius::Expected`] | see [`Radius`] |
/// | [`with_min_points`](Self::with_min_points) | 2: a parent and one child are a family | from 2 |
///
/// At two points per neighborhood, every model with a neighbor is a core, and DBSCAN is single linkage cut at eps. With more
/// points, bridges of single models are harder to cross, and small families become noise.
///
/// # Returns
///
/// A label, or `None` for noise, for every model. [`Remark::RadiusEstimated`] is added unless the radius is given. No random
/// number is used.
///
/// # Errors
///
/// - [`Error::InvalidSetting`] for a setting out of range.
/// - [`Error::Clustering`] when a coordinate is not finite.
///
/// # Complexity
///
/// O(n_models² · r) time for the distances, O(n_models²) time and memory for the rest.
///
/// # Degenerate input
///
/// No model gives no label. Copies of one model are one family if there are at least `min_points` of them; otherwise they are
/// noise. A single model is noise.
///
/// # Differs from
///
/// - *linfa*: neighbors at exactly eps are included. In linfa, a linear search excludes them and its trees include them.
///   Distances are looked up rather than summed anew at each query.
/// - *scikit-learn*: only the defaults differ (eps 0.5, `min_samples` 5). They do not suit weights.
/// - *the paper's code*: only the settings differ. There, eps is given.
///
/// # References
///
/// Ester, Kriegel, Sander, Xu: A density-based algorithm for discovering clusters, KDD 1996.
/// Yu, Wang: Neural Phylogeny, ICLR 2025, <https://openreview.net/forum?id=jv2zHOalpL>.
///
/// # Example
///
/// ```
/// use ndarray::array;
/// use neural_phylogeny::Clusterer;
/// use neural_phylogeny::detect::cluster::{Dbscan, Points};
/// use rand::SeedableRng;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let coordinates = array![[0.0, 0.1], [0.1, 0.0], [9.0, 9.1]];
/// let points = Points::new(coordinates.view(), &[0, 0, 1]);
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
///
/// let labels = Dbscan::new().with_radius(1.0).cluster(&points, &mut rng)?.labels;
/// assert_eq!(labels, [Some(0), Some(0), None]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dbscan {
    radius: Radius,
    min_points: usize,
}

impl Default for Dbscan {
    fn default() -> Self {
        Self::new()
    }
}

impl Dbscan {
    /// The clusterer with a radius from the expected families and two models per neighborhood.
    pub fn new() -> Self {
        Self { radius: Radius::Expected, min_points: 2 }
    }

    /// Sets eps; a number is [`Radius::Fixed`]. Default: [`Radius::Expected`].
    pub fn with_radius(mut self, radius: impl Into<Radius>) -> Self {
        self.radius = radius.into();
        self
    }

    /// Sets how many models the neighborhood of a core has, itself included; at least 2. Default: 2.
    pub fn with_min_points(mut self, points: usize) -> Self {
        self.min_points = points;
        self
    }

    /// Refuses settings out of range.
    fn check_settings(&self) -> Result<(), Error> {
        if self.min_points < 2 {
            let found = self.min_points.to_string();
            return Err(Error::InvalidSetting { setting: "min_points", found, expected: "at least 2" });
        }
        match self.radius {
            Radius::Fixed(eps) => check_radius("eps", eps),
            Radius::Expected => Ok(()),
        }
    }

    /// eps in the units of `distances`, and a remark if it was estimated.
    fn eps(&self, points: &Points<'_>, distances: &Distances) -> (f64, Option<Remark>) {
        let eps = match self.radius {
            // linfa refuses 0. The upper bound lies beyond all distances and has a finite square.
            Radius::Fixed(eps) => return ((eps * distances.scale).clamp(f64::MIN_POSITIVE, 1e100), None),
            Radius::Expected => {
                let (within, between) = radius::links(&distances.squared, points.expected);
                radius::separating(within, between, distances.negligible().sqrt())
            }
        };
        let rule = "links within and gaps between expected families";
        let value = eps / distances.scale;
        (eps, Some(Remark::RadiusEstimated { setting: "eps".into(), value, rule: rule.into() }))
    }
}

/// What the detector around it is called, and its settings.
pub(super) const NAMED: NamedDetector = NamedDetector::new(
    "dbscan",
    "DBSCAN",
    &[
        NamedSetting::new(
            "eps",
            "R|expected",
            "how far neighbors may lie apart, a distance, or `expected` from the expected families [default: expected]",
            |word| word.parse::<Radius>().map(drop),
        ),
        NamedSetting::new(
            "min-points",
            "N",
            "models in the neighborhood of a core, itself included [default: 2]",
            |word| whole("min-points", word).map(drop),
        ),
    ],
    |families, words| {
        let radius = words.value("eps", str::parse::<Radius>)?;
        let min_points = words.value("min-points", |word| whole("min-points", word))?;
        let dbscan = radius.into_iter().fold(Dbscan::new(), Dbscan::with_radius);
        let dbscan = min_points.into_iter().fold(dbscan, Dbscan::with_min_points);
        Ok(Box::new(ClusterDetector::new(dbscan).with_families(families)))
    },
);

impl Clusterer for Dbscan {
    fn check(&self) -> Result<(), Error> {
        self.check_settings()
    }

    fn cluster(&self, points: &Points<'_>, _rng: &mut dyn RngCore) -> Result<Clustering, Error> {
        self.check_settings()?;
        let distances = Distances::new(NAME, points)?;
        let (eps, estimated) = self.eps(points, &distances);
        // All distances are known, so a search tree would gain nothing.
        let search = CommonNearestNeighbour::LinearSearch;
        let labels: Array1<Option<usize>> =
            linfa_clustering::Dbscan::params_with(self.min_points, Lookup(Arc::new(distances.squared)), search)
                .tolerance(eps)
                .check()
                .map_err(|e| failure(NAME, points, e.to_string()))?
                .transform(&positions(points.len()));
        let mut clustering = Clustering::new(labels.to_vec());
        clustering.remarks.extend(estimated);
        Ok(clustering)
    }
}

/// The positions of points as linfa's input, shape (n_models, 1).
fn positions(n: usize) -> Array2<f64> {
    Array2::from_shape_fn((n, 1), |(i, _)| i as f64)
}

/// A distance for linfa that looks up the squared distance of two positions.
#[derive(Clone, Debug)]
struct Lookup(Arc<Array2<f64>>);

impl Distance<f64> for Lookup {
    fn distance<D: Dimension>(&self, a: ArrayView<'_, f64, D>, b: ArrayView<'_, f64, D>) -> f64 {
        self.rdistance(a, b).sqrt()
    }

    fn rdistance<D: Dimension>(&self, a: ArrayView<'_, f64, D>, b: ArrayView<'_, f64, D>) -> f64 {
        // Positions are whole numbers far below 2^53, so they are exact in f64.
        let position = |point: ArrayView<'_, f64, D>| point.first().map_or(0, |&p| p as usize);
        self.0[(position(a), position(b))]
    }

    fn rdist_to_dist(&self, rdist: f64) -> f64 {
        rdist.sqrt()
    }

    /// The next number above the square. linfa's linear search tests "less than", where DBSCAN means "at most".
    fn dist_to_rdist(&self, dist: f64) -> f64 {
        (dist * dist).next_up()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn labels(dbscan: &Dbscan, x: &Array2<f64>, expected: &[usize]) -> Vec<Option<usize>> {
        dbscan.cluster(&Points::new(x.view(), expected), &mut ChaCha8Rng::seed_from_u64(0)).unwrap().labels
    }

    /// ```text
    /// 0 . 1 . 2           3 . 4           5
    /// ```
    #[test]
    fn chains_are_families_and_single_models_are_noise() {
        let x = array![[0.0], [1.0], [2.0], [7.0], [8.0], [13.0]];
        let found = labels(&Dbscan::new().with_radius(1.5), &x, &[0; 6]);
        assert_eq!(found, [Some(0), Some(0), Some(0), Some(1), Some(1), None]);
        let found = labels(&Dbscan::new().with_radius(1.5).with_min_points(3), &x, &[0; 6]);
        assert_eq!(found, [Some(0), Some(0), Some(0), None, None, None]);
    }

    #[test]
    fn the_neighborhood_is_closed() {
        let x = array![[0.0], [1.0]];
        assert_eq!(labels(&Dbscan::new().with_radius(1.0), &x, &[0, 0]), [Some(0), Some(0)]);
        assert_eq!(labels(&Dbscan::new().with_radius(0.999), &x, &[0, 0]), [None, None]);
    }

    #[test]
    fn the_expected_radius_gives_the_expected_families_back() {
        // The family of 0 is a chain as long as the gap to the next family is wide.
        let x = array![[0.0], [1.0], [2.0], [3.0], [6.0], [6.5]];
        let points = Points::new(x.view(), &[0, 0, 0, 0, 1, 1]);
        let clustering = Dbscan::new().cluster(&points, &mut ChaCha8Rng::seed_from_u64(0)).unwrap();
        assert_eq!(clustering.labels, [0, 0, 0, 0, 1, 1].map(Some));
        let [Remark::RadiusEstimated { value, .. }] = clustering.remarks[..] else {
            panic!("{:?}", clustering.remarks)
        };
        assert!((value - 1.0).abs() < 1e-5);
    }

    #[test]
    fn each_setting_is_checked() {
        let x = array![[0.0], [1.0]];
        let points = Points::new(x.view(), &[0, 1]);
        let setting = |d: Dbscan| match d.cluster(&points, &mut ChaCha8Rng::seed_from_u64(0)) {
            Err(Error::InvalidSetting { setting, .. }) => setting,
            other => panic!("{other:?}"),
        };
        for eps in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(setting(Dbscan::new().with_radius(eps)), "eps");
        }
        assert_eq!(setting(Dbscan::new().with_min_points(1)), "min_points");
    }
}
