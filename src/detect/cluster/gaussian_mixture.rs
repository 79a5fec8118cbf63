use super::clusterer::{Clusterer, Clustering, Points};
use super::distances::{Scaled, failure, places, variances};
use super::settings::{check_count, family_count};
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
mod tests {
    use super::*;
    use crate::detect::cluster::KMeans;
    use ndarray::array;
    use rand::Rng;
    use rand_distr::StandardNormal;

    fn rng(seed: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(seed)
    }

    fn run(mixture: &GaussianMixture, x: &Array2<f64>) -> Clustering {
        let expected = vec![0; x.nrows()];
        mixture.cluster(&Points::new(x.view(), &expected), &mut rng(0)).unwrap()
    }

    /// A wide family beside a tight one: the nearest mean takes the wide family's flank, a covariance does not.
    #[test]
    fn a_wide_family_keeps_its_flank() {
        let mut rng_points = rng(1);
        let x = Array2::from_shape_fn((200, 2), |(i, coordinate)| {
            let noise: f64 = rng_points.sample(StandardNormal);
            let middle = if coordinate == 0 { 6.0 } else { 0.0 };
            if i < 100 { 3.0 * noise } else { 0.2 * noise + middle }
        });
        let wrong = |labels: Vec<Option<usize>>| (0..100).filter(|&i| labels[i] == labels[100]).count();
        assert!(wrong(run(&GaussianMixture::new().with_families(2), &x).labels) <= 1);
        let expected = [0; 200];
        let nearest = KMeans::new().with_families(2).cluster(&Points::new(x.view(), &expected), &mut rng(0));
        assert!(wrong(nearest.unwrap().labels) >= 10);
    }

    #[test]
    fn coordinates_are_reduced_to_what_the_models_support() {
        let mut rng = rng(2);
        let x = Array2::from_shape_fn((60, 59), |(i, coordinate)| {
            let noise: f64 = rng.sample(StandardNormal);
            noise * 0.1 + if coordinate == 0 { 5.0 * (i % 3) as f64 } else { 0.0 }
        });
        let clustering = run(&GaussianMixture::new().with_families(3), &x);
        assert!((0..60).all(|i| (0..60).all(|j| (clustering.labels[i] == clustering.labels[j]) == (i % 3 == j % 3))));
        let Remark::CoordinatesReduced { used: 4, available: 59, variance, .. } = clustering.remarks[0] else {
            panic!("{:?}", clustering.remarks)
        };
        assert!(variance > 0.9 && variance < 1.0);
        let few = run(&GaussianMixture::new().with_families(3).with_coordinates(1), &x);
        assert!(matches!(few.remarks[0], Remark::CoordinatesReduced { used: 1, .. }));
    }

    /// The scale of the weights is no setting: squares of 1e-150 vanish, squares of 1e150 overflow.
    #[test]
    fn the_scale_does_not_matter() {
        let x = array![[0.0, 0.1], [0.1, 0.0], [0.2, 0.1], [9.0, 9.1], [9.2, 9.0], [9.1, 9.3]];
        let mixture = GaussianMixture::new().with_families(2);
        for scale in [1e-200, 1e-150, 1e-4, 1.0, 1e150, 1e300] {
            assert_eq!(run(&mixture, &(&x * scale)).labels, run(&mixture, &x).labels);
        }
    }

    #[test]
    fn families_of_copies_are_found_without_a_fit() {
        let x = array![[0.0], [1.0], [0.0], [1.0], [5.0]];
        assert_eq!(run(&GaussianMixture::new().with_families(3), &x).labels, [0, 1, 0, 1, 2].map(Some));
        assert_eq!(run(&GaussianMixture::new().with_families(5), &x).labels, [0, 1, 0, 1, 2].map(Some));
        assert_eq!(run(&GaussianMixture::new().with_families(1), &x).labels, [Some(0); 5]);
    }

    /// Copies and single models leave covariances that are all zero but for the regularization.
    #[test]
    fn copies_beside_single_models_do_not_fail() {
        let x = array![[0.0], [0.0], [0.0], [1.0], [1.0], [5.0], [9.0], [9.1]];
        let labels = run(&GaussianMixture::new().with_families(4), &x).labels;
        assert!(labels[0] == labels[1] && labels[1] == labels[2] && labels[3] == labels[4]);
        assert!(labels[6] == labels[7] && labels[5] != labels[0] && labels[5] != labels[6]);
    }

    /// As many coordinates as models allow, far more than a component has models: it works by default, and it is said.
    #[test]
    fn more_coordinates_than_models_per_component_work_and_it_is_said() {
        let mut rng = rng(7);
        for (models, coordinates, families) in [(24, 23, 3), (40, 39, 4), (60, 30, 6), (12, 4, 3)] {
            let x = Array2::from_shape_fn((models, coordinates), |(i, coordinate)| {
                let noise: f64 = rng.sample(StandardNormal);
                0.1 * noise + if coordinate == i % families { 5.0 } else { 0.0 }
            });
            let mixture = GaussianMixture::new().with_families(families).with_coordinates(coordinates);
            let found = run(&mixture, &x);
            for i in 0..models {
                for j in 0..i {
                    let together = found.labels[i] == found.labels[j];
                    assert_eq!(together, i % families == j % families, "{models} x {coordinates}: {i} and {j}");
                }
            }
            assert!(
                matches!(found.remarks[..], [Remark::Regularized { share }] if share >= 1e-6),
                "{:?}",
                found.remarks
            );
        }
        // Enough models for their coordinates: nothing to say.
        let x = Array2::from_shape_fn((60, 2), |(i, _)| rng.sample::<f64, _>(StandardNormal) + 20.0 * (i % 3) as f64);
        assert_eq!(run(&GaussianMixture::new().with_families(3).with_coordinates(2), &x).remarks, []);
    }

    #[test]
    fn a_failed_fit_is_repeated_with_more_regularization_and_it_is_said() {
        // Far more coordinates than models: what is lost in rounding cannot make a singular covariance invertible.
        let mut rng = rng(3);
        let x = Array2::from_shape_simple_fn((40, 39), || rng.sample::<f64, _>(StandardNormal));
        let mixture = GaussianMixture::new().with_families(4).with_coordinates(39).with_regularization(1e-20);
        let remarks = run(&mixture, &x).remarks;
        let [Remark::Regularized { share }] = remarks[..] else { panic!("{remarks:?}") };
        assert!(share > 1e-20 && share < 1e-13);
    }

    #[test]
    fn the_last_failure_is_told_with_linfas_reason() {
        let mut rng = rng(3);
        let x = Array2::from_shape_simple_fn((40, 39), || rng.sample::<f64, _>(StandardNormal));
        let mixture = GaussianMixture::new().with_families(4).with_coordinates(39).with_regularization(1e-40);
        let points = Points::new(x.view(), &[0; 40]);
        let error = mixture.cluster(&points, &mut rng).unwrap_err();
        let Error::Clustering { models: 40, coordinates: 39, reason, .. } = error else { panic!("{error}") };
        assert!(reason.contains("4 fits on 39 coordinates") && reason.contains("regularized up to 1e-34"), "{reason}");
    }

    #[test]
    fn each_setting_is_checked() {
        let x = array![[0.0], [1.0]];
        let points = Points::new(x.view(), &[0, 1]);
        let fails = |m: GaussianMixture| m.cluster(&points, &mut rng(0)).unwrap_err();
        let setting = |error: Error| match error {
            Error::InvalidSetting { setting, .. } => setting,
            other => panic!("{other}"),
        };
        for share in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(setting(fails(GaussianMixture::new().with_regularization(share))), "regularization");
        }
        assert_eq!(setting(fails(GaussianMixture::new().with_coordinates(0))), "coordinates");
        assert_eq!(setting(fails(GaussianMixture::new().with_max_iterations(0))), "max_iterations");
        assert!(matches!(fails(GaussianMixture::new().with_families(0)), Error::FamilyCount { .. }));
        assert!(matches!(fails(GaussianMixture::new().with_families(3)), Error::FamilyCount { .. }));
    }
}
