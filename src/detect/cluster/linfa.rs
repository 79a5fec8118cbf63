//! An adapter for any clusterer of linfa.

mod labels;
mod ways;

pub use labels::Labels;
pub use ways::{ByFit, ByTransform, LinfaClusterer};

use super::clusterer::{Clusterer, Clustering, Points};
use super::distances::failure;
use crate::error::Error;
use ndarray::Array2;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A linfa clusterer with fixed settings.
///
/// It may fit and predict (KMeans, Gaussian mixtures) or label the given points directly (DBSCAN). Points are passed on
/// unchanged: as coordinates whose Euclidean distances are those of the models' weights. Random numbers come from the settings.
/// [`LinfaWith`] takes them, and the number of families, from the run. The compiler infers `Way`.
///
/// # Returns
///
/// Labels numbered from 0 by first appearance. Noise stays noise. No point gives no label.
///
/// # Errors
///
/// [`Error::Clustering`] in these cases:
///
/// - a coordinate is not finite (linfa's neighbor searches panic on NaN);
/// - linfa refuses the settings;
/// - a fit fails;
/// - linfa panics all the same, for example with more clusters than points.
///
/// # Complexity
///
/// O(n_models³) time for the coordinates, plus the time of linfa's method.
///
/// ```
/// use linfa_clustering::Dbscan;
/// use neural_phylogeny::ndarray::array;
/// use neural_phylogeny::Clusterer;
/// use neural_phylogeny::detect::cluster::{Linfa, Points};
/// use rand::SeedableRng;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let coordinates = array![[0.0, 0.1], [0.1, 0.0], [9.0, 9.1]];
/// let points = Points::new(coordinates.view(), &[0, 0, 1]);
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
///
/// let clusterer = Linfa::new(Dbscan::params(2).tolerance(1.0));
/// assert_eq!(clusterer.cluster(&points, &mut rng)?.labels, [Some(0), Some(0), None]);
/// # Ok(())
/// # }
/// ```
pub struct Linfa<P, Way> {
    params: P,
    way: PhantomData<fn() -> Way>,
}

impl<P: LinfaClusterer<Way>, Way> Linfa<P, Way> {
    /// The clusterer that linfa builds from these settings.
    pub fn new(params: P) -> Self {
        Self { params, way: PhantomData }
    }
}

impl<P: Clone, Way> Clone for Linfa<P, Way> {
    fn clone(&self) -> Self {
        Self { params: self.params.clone(), way: PhantomData }
    }
}

impl<P: fmt::Debug, Way> fmt::Debug for Linfa<P, Way> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Linfa").field(&self.params).finish()
    }
}

impl<P: LinfaClusterer<Way> + fmt::Debug, Way> Clusterer for Linfa<P, Way> {
    fn cluster(&self, points: &Points<'_>, _: &mut dyn RngCore) -> Result<Clustering, Error> {
        cluster::<P, Way, &P>(points, |_| &self.params)
    }
}

/// A linfa clusterer whose settings depend on the points and the run's random numbers: the K of a mixture, the seed of KMeans.
///
/// In all else it is like [`Linfa`].
///
/// ```
/// use linfa_clustering::KMeans;
/// use neural_phylogeny::{Config, InMemory, ModelSet, detect_phylogeny};
/// use neural_phylogeny::detect::cluster::{ClusterDetector, LinfaWith, Points};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = |w| InMemory::new().with_parameter("w", [2, 2], vec![w; 4]);
/// let models = ModelSet::builder().with_model("a", model(1.0)?).with_model("b", model(1.1)?).with_model("c", model(9.0)?).build()?;
///
/// let k_means = LinfaWith::new(|_: &Points<'_>, rng| KMeans::params_with_rng(2, rng).n_runs(3));
/// let phylogeny = detect_phylogeny(&models, Config::new().with_detector(ClusterDetector::new(k_means)))?;
/// assert_eq!(phylogeny.families().len(), 2);
/// # Ok(())
/// # }
/// ```
pub struct LinfaWith<F, P, Way> {
    settings: F,
    params: PhantomData<fn() -> (P, Way)>,
}

impl<F, P, Way> LinfaWith<F, P, Way>
where
    F: Fn(&Points<'_>, ChaCha8Rng) -> P + Send + Sync,
    P: LinfaClusterer<Way>,
{
    /// The clusterer that linfa builds from the settings that `settings` returns for some points and random numbers.
    pub fn new(settings: F) -> Self {
        Self { settings, params: PhantomData }
    }
}

impl<F: Clone, P, Way> Clone for LinfaWith<F, P, Way> {
    fn clone(&self) -> Self {
        Self { settings: self.settings.clone(), params: PhantomData }
    }
}

impl<F, P, Way> fmt::Debug for LinfaWith<F, P, Way> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LinfaWith").field(&short::<P>()).finish()
    }
}

impl<F, P, Way> Clusterer for LinfaWith<F, P, Way>
where
    F: Fn(&Points<'_>, ChaCha8Rng) -> P + Send + Sync,
    P: LinfaClusterer<Way>,
{
    fn cluster(&self, points: &Points<'_>, rng: &mut dyn RngCore) -> Result<Clustering, Error> {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        cluster::<P, Way, P>(points, |points| (self.settings)(points, ChaCha8Rng::from_seed(seed)))
    }
}

/// The name of a type without its path, such as `KMeansParams`.
fn short<P>() -> &'static str {
    let path = type_name::<P>();
    let end = path.find('<').unwrap_or(path.len());
    path[..end].rsplit("::").next().unwrap_or(path)
}

/// Runs linfa on the points and turns every failure, panics included, into an error.
fn cluster<P: LinfaClusterer<Way>, Way, S: std::borrow::Borrow<P>>(
    points: &Points<'_>,
    settings: impl FnOnce(&Points<'_>) -> S,
) -> Result<Clustering, Error> {
    if points.is_empty() {
        return Ok(Clustering::default());
    }
    let name = short::<P>();
    let failed = |reason: String| failure(name, points, reason);
    let given = points.coordinates()?;
    if let Some(((model, coordinate), value)) = given.indexed_iter().find(|(_, value)| !value.is_finite()) {
        return Err(failed(format!("coordinate {coordinate} of model {model} is {value}, expected finite values")));
    }
    // Models that are all the same have no coordinate, and linfa refuses zero columns. One column of zeros says the same.
    let observations = if given.ncols() == 0 { Array2::zeros((given.nrows(), 1)) } else { given.to_owned() };
    let run = || settings(points).borrow().labels(observations);
    // linfa panics on some input. A panic must not end a detection that could report an error.
    let labels = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(format!("linfa panicked: {}", said.unwrap_or("without a word")))
    });
    let labels = labels.map_err(failed)?;
    if labels.len() != points.len() {
        return Err(failed(format!("found {} labels, expected one for each model", labels.len())));
    }
    Ok(Clustering::new(labels::numbered(&labels)))
}

#[cfg(test)]
mod tests;
