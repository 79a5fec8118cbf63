use super::ClusterDetector;
use super::clusterer::{Clusterer, Clustering, Points};
use crate::detect::NamedDetector;
use crate::error::Error;
use rand::RngCore;

/// The families that the independence test (or the caller) expects, unchanged: the default.
///
/// - *Assumes* that families are as the test says. It uses no geometry, not even the coordinates.
/// - *Settings*: none.
/// - *Returns*: a label for every model; no noise, no remark.
/// - *Errors*: none.
/// - *Complexity*: O(n_models).
/// - *Degenerate input*: no point gives no label.
/// - *Differs from the paper*, whose clusterers all need the number of families or a radius. This one needs neither.
///
/// ```
/// use ndarray::Array2;
/// use neural_phylogeny::Clusterer;
/// use neural_phylogeny::detect::cluster::{ExpectedFamilies, Points};
/// use rand::SeedableRng;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let coordinates = Array2::zeros((3, 0));
/// let points = Points::new(coordinates.view(), &[0, 1, 0]);
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
///
/// let clustering = ExpectedFamilies.cluster(&points, &mut rng)?;
/// assert_eq!(clustering.labels, [Some(0), Some(1), Some(0)]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectedFamilies;

/// What the detector around it is called.
pub(super) const NAMED: NamedDetector = NamedDetector::new(
    "independence",
    "One generation: connected components of the independence test",
    &[],
    |families, _| Ok(Box::new(ClusterDetector::new(ExpectedFamilies).with_families(families))),
);

impl Clusterer for ExpectedFamilies {
    fn cluster(&self, points: &Points<'_>, _rng: &mut dyn RngCore) -> Result<Clustering, Error> {
        Ok(Clustering::new(points.expected.iter().copied().map(Some).collect()))
    }
}
