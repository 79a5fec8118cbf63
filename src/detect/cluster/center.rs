//! Centroids without coordinates: means of sets of points, known by their distances alone.

use ndarray::{Array1, Array2, CowArray, Ix1};

/// A center: the mean of some points. The set may be one point.
#[derive(Debug)]
pub(super) struct Center<'a> {
    /// The points whose mean it is, ascending, not empty.
    pub(super) members: Vec<usize>,
    /// The squared distance to every point.
    pub(super) to_points: CowArray<'a, f64, Ix1>,
    /// The mean squared distance of the members to their mean.
    pub(super) variance: f64,
}

impl<'a> Center<'a> {
    /// The mean of some points.
    ///
    /// `‖x_j − mean(W)‖² = mean_i d²(i,j) − V`, where `V = mean_ij d²(i,j) / 2` is the mean squared distance of W to its mean.
    /// This takes O(n_models · |W|) time for any number of coordinates, and none for a single point.
    pub(super) fn of(members: Vec<usize>, squared: &'a Array2<f64>) -> Self {
        if let [only] = members[..] {
            return Self { to_points: squared.row(only).into(), members, variance: 0.0 };
        }
        let count = members.len() as f64;
        let mut to_points = Array1::<f64>::zeros(squared.nrows());
        for &i in &members {
            to_points += &squared.row(i);
        }
        to_points /= count;
        let variance = members.iter().map(|&i| to_points[i]).sum::<f64>() / (2.0 * count);
        // Rounding can bring a distance of 0 below 0.
        to_points.mapv_inplace(|mean| f64::max(mean - variance, 0.0));
        Self { members, to_points: to_points.into(), variance }
    }

    /// The squared distance to another center; 0 for the same members.
    pub(super) fn squared_distance(&self, other: &Center<'_>) -> f64 {
        if self.members == other.members {
            return 0.0;
        }
        let mean = other.members.iter().map(|&i| self.to_points[i]).sum::<f64>() / other.members.len() as f64;
        f64::max(mean - other.variance, 0.0)
    }

    /// The points within a radius, given squared.
    pub(super) fn window(&self, squared_radius: f64) -> Vec<usize> {
        (0..self.to_points.len()).filter(|&i| self.to_points[i] <= squared_radius).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::cluster::distances::squared_distances;
    use ndarray::Axis;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::StandardNormal;

    #[test]
    fn centers_are_means_of_sets_of_points() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let x = Array2::from_shape_simple_fn((12, 5), || rng.sample::<f64, _>(StandardNormal));
        let squared = squared_distances(x.view());
        let (a, b) = (vec![0, 3, 4, 7], vec![2, 3, 11]);
        let mean = |set: &[usize]| x.select(Axis(0), set).mean_axis(Axis(0)).unwrap();
        let center = Center::of(a.clone(), &squared);
        for j in 0..12 {
            let direct = (&x.row(j) - &mean(&a)).mapv(|d| d * d).sum();
            assert!((center.to_points[j] - direct).abs() < 1e-12);
        }
        let direct = (mean(&a) - mean(&b)).mapv(|d| d * d).sum();
        assert!((center.squared_distance(&Center::of(b, &squared)) - direct).abs() < 1e-12);
    }
}
