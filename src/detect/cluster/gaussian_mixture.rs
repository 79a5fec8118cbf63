use super::ClusterDetector;
use super::clusterer::{Clusterer, Clustering, Points};
use super::distances::{Scaled, failure, places, variances};
use super::settings::{check_count, family_count};
use crate::detect::NamedDetector;
use crate::error::Error;
use crate::phylogeny::Remark;
use linfa::DatasetBase;
use linfa::prelude::{Fit, ParamGuard};
use linfa_clustering::GaussianMixtureModel;
use ndarray::{Array2, Axis, Slice};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

const NAME: &str = "GaussianMixture";

/// The most coordinates that are used by default, because a full covariance of more of them needs more models than families
/// have.
const MOST_COORDINATES: usize = 10;

/// Number of models per component and coordinate that a full covariance needs to be meaningful.
const MODELS_PER_COORDINATE: usize = 5;

/// The most fits that are tried. Each has [`RAISE`] times the regularization of the one before.
const FITS: usize = 4;

/// The factor by which the regularization grows when a fit fails.
const RAISE: f64 = 100.0;

/// K families as normal distributions of any shape: linfa's Gaussian mixture with full covariances.
///
/// Expectation-maximization of `p(x) = Σ_k w_k N(x; μ_k, Σ_k + λ s² I)` on the leading coordinates, starting from linfa's
/// KMeans. A model joins the component that most likely made it. `s²` is the mean variance of the coordinates used, and λ is
/// the regularization, so the scale of the weights does not matter.
///
/// **A mixture on all coordinates is KMeans in disguise.** N models span up to N − 1 coordinates. Every covariance of fewer
/// models is singular. The regularization that makes it invertible turns responsibilities into 0 and 1. So only the r
/// coordinates of largest variance are used, `r = min(10, max(1, n_models / (5 K)))`. [`Remark::CoordinatesReduced`] reports
/// how many, and what share of the variance they hold.
///
/// *Assumes* that families differ along the directions of largest variance. It has components rather than centroids, so the α
/// rule does not apply.
///
/// # Settings
///
/// | setting | default | range |
/// |---|---|---|
/// | [`with_families`](Self::with_families) | the number of expected families | 1 to n_models |
/// | [`with_coordinates`](Self::with_coordinates) | r as above | from 1; at most all are used |
/// | [`with_regularization`](Self::with_regularization) | 1e-6 | finite, above 0 |
/// | [`with_max_iterations`](Self::with_max_iterations) | 300 | from 1 |
///
/// # Returns
///
/// A label for every model, and no noise.
///
/// A fit fails when a covariance is not positive definite, a component has no models, or the likelihood overflows or does not
/// settle. A failed fit is repeated with 100 times the regularization, three times at most. [`Remark::Regularized`] reports the
/// share that was needed. It also appears when a component has no more models than coordinates: without regularization the
/// covariance of such a component would be singular. So a fit is possible for any r.
///
/// # Errors
///
/// - [`Error::InvalidSetting`] for a setting out of range.
/// - [`Error::FamilyCount`] for more families than models.
/// - [`Error::Clustering`] when a coordinate is not finite, or with linfa's reason when every fit failed.
///
/// # Complexity
///
/// O(iterations · K · n_models · r²) time, O(K · n_models) memory, with r ≤ 10 by default.
///
/// # Degenerate input
///
/// - No model gives no label; K = 1 gives one family.
/// - If K is at or above the number of different models (n_models included), every different model is a family. Copies share
///   one.
///
/// # Differs from
///
/// - *linfa*: coordinates are reduced. Regularization is relative to the variance, and raised on failure. A fit whose
///   probabilities underflowed counts as failed, where linfa gives those models to the first component.
/// - *scikit-learn, and with it the paper's code*: the same differences. There, all coordinates are used, and regularization is
///   absolute (1e-6).
///
/// # References
///
/// Dempster, Laird, Rubin: Maximum likelihood from incomplete data via the EM algorithm, 1977,
/// <https://doi.org/10.1111/j.2517-6161.1977.tb01600.x>.
/// Yu, Wang: Neural Phylogeny, ICLR 2025, <https://openreview.net/forum?id=jv2zHOalpL>.
///
/// # Example
///
/// ```
/// use ndarray::array;
/// use neural_phylogeny::Clusterer;
/// use neural_phylogeny::detect::cluster::{GaussianMixture, Points};
/// use rand::SeedableRng;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let coordinates = array![[0.0, 0.1], [0.1, 0.0], [0.2, 0.1], [9.0, 9.1], [9.2, 9.0]];
/// let points = Points::new(coordinates.view(), &[0, 0, 0, 1, 1]);
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
///
/// let labels = GaussianMixture::new().cluster(&points, &mut rng)?.labels;
/// assert!(labels[0] == labels[1] && labels[1] == labels[2]);
/// assert!(labels[3] == labels[4] && labels[3] != labels[0]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianMixture {
    families: Option<usize>,
    coordinates: Option<usize>,
    regularization: f64,
    max_iterations: usize,
}

impl Default for GaussianMixture {
    fn default() -> Self {
        Self::new()
    }
}

impl GaussianMixture {
    /// The clusterer with as many families as expected, as many coordinates as the models support, regularization 1e-6 and at
    /// most 300 iterations.
    pub fn new() -> Self {
        Self { families: None, coordinates: None, regularization: 1e-6, max_iterations: 300 }
    }

    /// Sets K, the number of families, in 1 to n_models. Default: the number of expected families.
    pub fn with_families(mut self, families: usize) -> Self {
        self.families = Some(families);
        self
    }

    /// Sets how many leading coordinates are used, at least 1. Default: as many as the models support, at most 10.
    pub fn with_coordinates(mut self, coordinates: usize) -> Self {
        self.coordinates = Some(coordinates);
        self
    }

    /// Sets λ of the first fit, finite and above 0. Default: 1e-6.
    ///
    /// λ is the share of the mean variance that is added to each diagonal element of each covariance.
    pub fn with_regularization(mut self, share: f64) -> Self {
        self.regularization = share;
        self
    }

    /// Sets the number of iterations within which a fit must settle, at least 1. Default: 300.
    pub fn with_max_iterations(mut self, iterations: usize) -> Self {
        self.max_iterations = iterations;
        self
    }

    /// Refuses settings out of range.
    fn check_settings(&self) -> Result<(), Error> {
        check_count("max_iterations", self.max_iterations)?;
        check_count("coordinates", self.coordinates.unwrap_or(1))?;
        if self.regularization.is_finite() && self.regularization > 0.0 {
            return Ok(());
        }
        let found = self.regularization.to_string();
        Err(Error::InvalidSetting { setting: "regularization", found, expected: "a finite number above 0" })
    }

    /// The most probable component of each point, or the reason why the fit failed.
    fn fit(
        &self,
        coordinates: &Array2<f64>,
        families: usize,
        share: f64,
        rng: ChaCha8Rng,
    ) -> Result<Vec<usize>, String> {
        let model = GaussianMixtureModel::params_with_rng(families, rng)
            .reg_covariance(share)
            .max_n_iterations(self.max_iterations as u64)
            .check()
            .map_err(|e| e.to_string())?
            .fit(&DatasetBase::from(coordinates.view()))
            .map_err(|e| e.to_string())?;
        let probabilities = model.predict_proba(coordinates);
        let labels: Option<Vec<usize>> = probabilities
            .rows()
            .into_iter()
            .map(|row| {
                // linfa sums exponentials without a common factor. Far from every component all of them vanish.
                let sound = (row.sum() - 1.0).abs() < 1e-6;
                sound.then(|| (1..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best }))
            })
            .collect();
        labels.ok_or_else(|| "the probabilities of a model underflowed in every component".into())
    }
}

/// What the detector around it is called.
pub(super) const NAMED: NamedDetector = NamedDetector::new("gmm", "Gaussian mixture", &[], |families, _| {
    Ok(Box::new(ClusterDetector::new(GaussianMixture::new()).with_families(families)))
});

impl Clusterer for GaussianMixture {
    fn check(&self) -> Result<(), Error> {
        self.check_settings()
    }

    fn cluster(&self, points: &Points<'_>, rng: &mut dyn RngCore) -> Result<Clustering, Error> {
        self.check_settings()?;
        let scaled = Scaled::new(NAME, points)?;
        let families = family_count(self.families, points)?;
        let numbered = |labels: Vec<usize>| Clustering::new(labels.into_iter().map(Some).collect());
        // With as many families as places, or one family, there is nothing to fit.
        let (labels, count) = places(&scaled.coordinates);
        if families >= count || families == 1 {
            return Ok(numbered(if families == 1 { vec![0; points.len()] } else { labels }));
        }

        let available = scaled.coordinates.ncols();
        // With too few models per coordinate, covariances are singular and all responsibilities 0 or 1.
        let supported = (points.len() / (MODELS_PER_COORDINATE * families)).clamp(1, MOST_COORDINATES);
        let used = self.coordinates.unwrap_or(supported).min(available);
        let (leading, variance) = standardized(&scaled.coordinates, used);
        let reduced = (used < available).then_some(Remark::CoordinatesReduced {
            clusterer: NAME.into(),
            used,
            available,
            variance,
        });
        // Different models may coincide in the leading coordinates, so places are counted again.
        let (labels, count) = places(&leading);
        if families >= count {
            let mut clustering = numbered(labels);
            clustering.remarks.extend(reduced);
            return Ok(clustering);
        }

        let mut share = self.regularization;
        let mut reason = String::new();
        for fit in 0..FITS {
            // linfa takes a generator of its own. A seed drawn here keeps the run reproducible.
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            match self.fit(&leading, families, share, ChaCha8Rng::from_seed(seed)) {
                Ok(labels) => {
                    // A component with no more models than coordinates has directions without variance.
                    let size = |k: usize| labels.iter().filter(|&&label| label == k).count();
                    let singular = (0..families).any(|k| size(k) <= used);
                    let mut clustering = numbered(labels);
                    clustering.remarks.extend(reduced);
                    clustering.remarks.extend((fit > 0 || singular).then_some(Remark::Regularized { share }));
                    return Ok(clustering);
                }
                Err(failed) => reason = failed,
            }
            share *= RAISE;
        }
        let reason = format!("{FITS} fits on {used} coordinates, regularized up to {:e}: {reason}", share / RAISE);
        Err(failure(NAME, points, reason))
    }
}

/// The leading coordinates with mean 0 and mean variance 1, and their share of the total variance.
fn standardized(coordinates: &Array2<f64>, used: usize) -> (Array2<f64>, f64) {
    let variances = variances(coordinates);
    let (leading, total) = (variances.iter().take(used).sum::<f64>(), variances.sum());
    let mut standardized = coordinates.slice_axis(Axis(1), Slice::from(..used)).to_owned();
    // Without variance there is nothing to scale by.
    if leading < f64::MIN_POSITIVE {
        standardized.fill(0.0);
        return (standardized, 0.0);
    }
    if let Some(mean) = standardized.mean_axis(Axis(0)) {
        standardized -= &mean;
    }
    standardized /= (leading / used as f64).sqrt();
    (standardized, leading / total)
}

#[cfg(test)]
mod tests;
