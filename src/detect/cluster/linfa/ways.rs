use super::Labels;
use linfa::DatasetBase;
use linfa::traits::{Fit, PredictInplace, Transformer};
use ndarray::{Array1, Array2};
use std::marker::PhantomData;

/// Settings of a linfa clusterer that give labels in one of linfa's ways: [`ByFit`] or [`ByTransform`].
///
/// All settings that have linfa's traits implement it. `Way` separates the two, and the compiler infers it. A clusterer of
/// another shape needs a [`Clusterer`](super::Clusterer) of its own. For example, linfa's OPTICS returns an ordering without
/// labels, and without a mark where one cluster ends.
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
