use super::Labels;
use linfa::DatasetBase;
use linfa::traits::{Fit, PredictInplace, Transformer};
use ndarray::{Array1, Array2};
use std::marker::PhantomData;

/// Settings of a linfa clusterer that give labels in one of linfa's ways: [`ByFit`] or [`ByTransform`].
///
/// All settings that have linfa's traits implement it. `Way` separates the two, and the compiler infers it. A clusterer of
/// another shape needs a [`Clusterer`](super::Clusterer) of its own; [OPTICS](#optics) is one.
///
/// ```
/// use linfa_clustering::{Dbscan, GaussianMixtureModel, KMeans};
/// use neural_phylogeny::detect::cluster::LinfaClusterer;
///
/// fn is_one<Way>(_: impl LinfaClusterer<Way>) {}
/// is_one(KMeans::params_with_rng(2, rand_chacha::ChaCha8Rng::from_seed([0; 32])));
/// is_one(GaussianMixtureModel::<f64>::params(2));
/// is_one(Dbscan::params::<f64>(2));
/// # use rand::SeedableRng;
/// ```
///
/// # OPTICS
///
/// linfa's OPTICS gives no labels. It orders the points, and the caller cuts the order where the reachability is above a radius.
/// That radius is no setting of linfa's, so no adapter can know it. These lines cut at a radius. The tolerance must stay
/// infinite, as it is by default: linfa gives the first point of each further neighborhood a small reachability too.
///
/// ```
/// use linfa::traits::Transformer;
/// use linfa_clustering::Optics;
/// use neural_phylogeny::detect::cluster::{Clusterer, Clustering, Points};
/// use neural_phylogeny::rand::RngCore;
/// use neural_phylogeny::Error;
///
/// #[derive(Debug)]
/// struct CutOrder { min_points: usize, radius: f64 }
///
/// impl Clusterer for CutOrder {
///     fn cluster(&self, points: &Points<'_>, _: &mut dyn RngCore) -> Result<Clustering, Error> {
///         let order = Optics::params(self.min_points).transform(points.coordinates()?);
///         let order = order.map_err(|e| Error::caused("OPTICS failed", e))?;
///         let near = |distance: &Option<f64>| distance.is_some_and(|d| d <= self.radius);
///         let mut labels = vec![None; points.len()];
///         let (mut families, mut current) = (0, None);
///         for sample in order.iter() {
///             // Beyond the radius a point begins a family if it has enough neighbors, and is noise if it has not.
///             if current.is_none() || !near(sample.reachability_distance()) {
///                 current = near(sample.core_distance()).then_some(families);
///                 families += usize::from(current.is_some());
///             }
///             labels[sample.index()] = current;
///         }
///         Ok(Clustering::new(labels))
///     }
/// }
///
/// # fn main() -> Result<(), Error> {
/// # use neural_phylogeny::ndarray::array;
/// # use neural_phylogeny::rand::SeedableRng;
/// let coordinates = array![[0.0], [50.0], [0.1], [50.1], [99.0]];
/// let points = Points::new(coordinates.view(), &[0; 5]);
/// let mut rng = neural_phylogeny::rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let found = CutOrder { min_points: 2, radius: 1.0 }.cluster(&points, &mut rng)?.labels;
/// assert_eq!((found[0], found[1], found[4]), (found[2], found[3], None));
/// assert_ne!(found[0], found[1]);
/// # Ok(())
/// # }
/// ```
pub trait LinfaClusterer<Way>: Send + Sync {
    /// A label, or `None` for noise, for each row.
    ///
    /// # Errors
    ///
    /// linfa's reason for giving no labels, as text.
    fn labels(&self, observations: Array2<f64>) -> Result<Vec<Option<usize>>, String>;
}

/// The way of KMeans and Gaussian mixtures: settings are fitted, and the resulting model predicts a number for each point.
///
/// `E` is the error of the fit.
#[derive(Debug)]
pub struct ByFit<E>(PhantomData<fn() -> E>);

impl<P, E> LinfaClusterer<ByFit<E>> for P
where
    P: Fit<Array2<f64>, (), E> + Send + Sync,
    E: std::error::Error + From<linfa::Error>,
    P::Object: PredictInplace<Array2<f64>, Array1<usize>>,
{
    fn labels(&self, observations: Array2<f64>) -> Result<Vec<Option<usize>>, String> {
        let data = DatasetBase::new(observations, ());
        let model = self.fit(&data).map_err(|e| e.to_string())?;
        let mut labels = model.default_target(&data.records);
        model.predict_inplace(&data.records, &mut labels);
        labels.labels()
    }
}

/// The way of DBSCAN: the points are transformed into labels, without a model in between. `L` is the type of the result.
#[derive(Debug)]
pub struct ByTransform<L>(PhantomData<fn() -> L>);

impl<P, L> LinfaClusterer<ByTransform<L>> for P
where
    P: for<'a> Transformer<&'a Array2<f64>, L> + Send + Sync,
    L: Labels,
{
    fn labels(&self, observations: Array2<f64>) -> Result<Vec<Option<usize>>, String> {
        self.transform(&observations).labels()
    }
}
