//! Arithmetic on points that clusterers share.

use super::clusterer::Points;
use crate::error::Error;
use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};
use std::collections::HashMap;

/// The share of the points' mean squared distance to their mean below which a squared distance counts as zero.
///
/// Rounding leaves about this much between the coordinates of identical models.
pub(super) const NEGLIGIBLE: f64 = 1e-24;

/// Coordinates multiplied by a power of two, so that the largest is about 1.
///
/// The multiplication is exact. Squares of coordinates as large as 1e150 or as small as 1e-150 then neither overflow nor
/// vanish.
#[derive(Debug)]
pub(super) struct Scaled {
    /// The scaled coordinates, shape (n_models, r), row-major.
    pub(super) coordinates: Array2<f64>,
    /// The factor that the given coordinates were multiplied by.
    pub(super) scale: f64,
}

impl Scaled {
    /// Scales the coordinates of the points.
    ///
    /// # Errors
    ///
    /// [`Error::Clustering`] when a coordinate is not finite.
    pub(super) fn new(clusterer: &'static str, points: &Points<'_>) -> Result<Self, Error> {
        let given = points.coordinates()?;
        let mut largest = 0.0_f64;
        for ((model, coordinate), value) in given.indexed_iter() {
            if !value.is_finite() {
                let reason = format!("coordinate {coordinate} of model {model} is {value}, expected finite values");
                return Err(failure(clusterer, points, reason));
            }
            largest = largest.max(value.abs());
        }
        // Beyond ±1000, the power itself would leave the range of normal numbers.
        let exponent = if largest > 0.0 { largest.log2().floor().clamp(-1000.0, 1000.0) as i32 } else { 0 };
        let scale = 2.0_f64.powi(-exponent);
        let mut coordinates = Array2::zeros(given.dim());
        Zip::from(&mut coordinates).and(&given).for_each(|to, &from| *to = from * scale);
        Ok(Self { coordinates, scale })
    }
}

/// Squared distances of points, and their spread.
#[derive(Debug)]
pub(super) struct Distances {
    /// Scaled squared distances, shape (n_models, n_models), symmetric, zero diagonal. Each is multiplied by the square of
    /// `scale`.
    pub(super) squared: Array2<f64>,
    /// The factor that distances were multiplied by.
    ///
    /// For models it is 1, because their squares stay in range. For coordinates see [`Scaled`].
    pub(super) scale: f64,
    /// Mean squared distance of the points to their mean: `Σ_ij d²(i,j) / (2 n²)`.
    pub(super) spread: f64,
}

impl Distances {
    /// The distances of points.
    ///
    /// # Errors
    ///
    /// [`Error::Clustering`] when a coordinate or a distance is not finite.
    pub(super) fn new(clusterer: &'static str, points: &Points<'_>) -> Result<Self, Error> {
        let (squared, scale) = match points.given_coordinates() {
            Some(_) => {
                let scaled = Scaled::new(clusterer, points)?;
                (squared_distances(scaled.coordinates.view()), scaled.scale)
            }
            None => (points.squared_distances(), 1.0),
        };
        let n = points.len().max(1) as f64;
        let spread = squared.sum() / (2.0 * n * n);
        // No distance is negative, so a finite sum has only finite terms.
        let broken = if spread.is_finite() { None } else { squared.indexed_iter().find(|(_, d)| !d.is_finite()) };
        if let Some(((i, j), value)) = broken {
            let reason = format!("the squared distance of models {i} and {j} is {value}, expected finite values");
            return Err(failure(clusterer, points, reason));
        }
        Ok(Self { squared, scale, spread })
    }

    /// The squared distance up to which distances are rounding.
    pub(super) fn negligible(&self) -> f64 {
        NEGLIGIBLE * self.spread
    }
}

/// An [`Error::Clustering`] for these points.
pub(super) fn failure(clusterer: &str, points: &Points<'_>, reason: String) -> Error {
    Error::Clustering { clusterer: clusterer.into(), models: points.len(), coordinates: points.width(), reason }
}

/// ‖a − b‖², in eight interleaved sums that the compiler can keep in vector registers.
fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder());
    let tail: f64 = rest.map(|(x, y)| (x - y) * (x - y)).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            let difference = x[lane] - y[lane];
            sums[lane] += difference * difference;
        }
    }
    sums.iter().sum::<f64>() + tail
}

/// The variance of each coordinate; zeros without points.
pub(super) fn variances(coordinates: &Array2<f64>) -> Array1<f64> {
    if coordinates.nrows() == 0 { Array1::zeros(coordinates.ncols()) } else { coordinates.var_axis(Axis(0), 0.0) }
}

/// All squared distances, shape (n_models, n_models), symmetric, zero diagonal. O(n_models² r) time.
///
/// One matrix product of the centered coordinates gives `d²(i,j) = g(i,i) + g(j,j) − 2 g(i,j)`. For near pairs this difference
/// cancels, so their distances are summed directly. The relative error stays below about 1e-9.
pub(super) fn squared_distances(coordinates: ArrayView2<'_, f64>) -> Array2<f64> {
    // Below this share of the squared norms, the difference has lost too many digits.
    const CANCELS: f64 = 1e-6;
    let n = coordinates.nrows();
    let mean = coordinates.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(coordinates.ncols()));
    let centered = &coordinates - &mean;
    let coordinates = coordinates.as_standard_layout();
    let values = coordinates.as_slice().expect("coordinates in standard layout");
    let row = |index: usize| &values[index * coordinates.ncols()..(index + 1) * coordinates.ncols()];
    let mut distances = centered.dot(&centered.t());
    let norms = distances.diag().to_owned();
    for i in 0..n {
        for j in 0..i {
            let size = norms[i] + norms[j];
            let mut squared = size - 2.0 * distances[(i, j)];
            // Few pairs are so near, so summing them directly costs little.
            if squared < CANCELS * size {
                squared = squared_distance(row(i), row(j));
            }
            distances[(i, j)] = squared;
            distances[(j, i)] = squared;
        }
        distances[(i, i)] = 0.0;
    }
    distances
}

/// Numbers points by place, and gives the number of places. Equal points share a number.
pub(super) fn places(coordinates: &Array2<f64>) -> (Vec<usize>, usize) {
    let mut seen: HashMap<Vec<u64>, usize> = HashMap::new();
    let labels = coordinates
        .rows()
        .into_iter()
        .map(|row| {
            let next = seen.len();
            // Adding 0.0 turns -0.0 into 0.0.
            *seen.entry(row.iter().map(|v| (v + 0.0).to_bits()).collect()).or_insert(next)
        })
        .collect();
    (labels, seen.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn near_and_far_pairs_keep_their_digits() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for movement in [1.0, 1e-3, 1e-6, 1e-9] {
            let base: Vec<f64> = (0..37).map(|_| rng.gen_range(-1.0..1.0)).collect();
            let far: Vec<f64> = base.iter().map(|v| v + rng.gen_range(-1.0..1.0)).collect();
            let near: Vec<f64> = base.iter().map(|v| v + movement * rng.gen_range(-1.0..1.0)).collect();
            let all = [base, far, near].concat();
            let points = Array2::from_shape_vec((3, 37), all).unwrap();
            let distances = squared_distances(points.view());
            for i in 0..3 {
                for j in 0..3 {
                    let direct: f64 = (&points.row(i) - &points.row(j)).mapv(|d| d * d).sum();
                    assert!((distances[(i, j)] - direct).abs() <= 1e-9 * direct, "movement {movement}: {i} {j}");
                }
            }
        }
    }

    #[test]
    fn extreme_scales_are_brought_to_one() {
        let labels = [0, 0];
        for size in [1e300, 1e150, 1.0, 1e-150, 5e-324] {
            let coordinates = array![[size, 0.0], [0.0, -size / 2.0]];
            let scaled = Scaled::new("test", &Points::new(coordinates.view(), &labels)).unwrap();
            let largest = scaled.coordinates[(0, 0)];
            assert!(largest <= 2.0 && (largest >= 1.0 || size < 1e-300), "{size}: {largest}");
            assert_eq!(largest / scaled.scale, size);
        }
    }

    #[test]
    fn values_that_are_not_finite_are_named() {
        let coordinates = array![[0.0, 0.0], [0.0, f64::NAN]];
        let error = Scaled::new("test", &Points::new(coordinates.view(), &[0, 0])).unwrap_err();
        assert!(error.to_string().contains("coordinate 1 of model 1 is NaN"), "{error}");
    }

    #[test]
    fn equal_points_share_a_place() {
        assert_eq!(places(&array![[1.0, 0.0], [2.0, 0.0], [1.0, -0.0]]), (vec![0, 1, 0], 2));
        assert_eq!(places(&Array2::zeros((3, 0))), (vec![0, 0, 0], 1));
    }
}
