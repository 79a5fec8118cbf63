//! A clusterer of one's own, and linfa's own by `Linfa`, all of them checked.
//!
//! `cargo run --example own_clusterer --features testing`

use linfa_clustering::{Dbscan, GaussianMixtureModel, KMeans};
use linfa_nn::{CommonNearestNeighbour, distance::L1Dist};
use ndarray::array;
use neural_phylogeny::detect::cluster::{Clustering, Linfa, LinfaWith, Points};
use neural_phylogeny::testing::check_clusterer;
use neural_phylogeny::{Clusterer, Error};
use rand::{RngCore, SeedableRng};

/// Families of models within a distance of the first of them.
#[derive(Debug)]
struct Leaders {
    radius: f64,
}

impl Clusterer for Leaders {
    fn check(&self) -> Result<(), Error> {
        if self.radius > 0.0 { Ok(()) } else { Err(Error::other("a leader needs a radius above 0")) }
    }

    fn cluster(&self, points: &Points<'_>, _rng: &mut dyn RngCore) -> Result<Clustering, Error> {
        self.check()?;
        let squared = points.squared_distances();
        let mut labels: Vec<usize> = Vec::new();
        for i in 0..points.len() {
            let leader = (0..i).find(|&j| labels[j] == j && squared[(i, j)] <= self.radius * self.radius);
            labels.push(leader.unwrap_or(i));
        }
        Ok(Clustering::new(labels.into_iter().map(Some).collect()))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What linfa clusters with: settings as they are, or made for the points and the random numbers of a run.
    let taxicab = Dbscan::params_with(2, L1Dist, CommonNearestNeighbour::LinearSearch).tolerance(3.0);
    let mixture = |points: &Points<'_>, rng| {
        GaussianMixtureModel::params(points.expected_count()).with_rng(rng).reg_covariance(1e-3)
    };
    let clusterers: [Box<dyn Clusterer>; 4] = [
        Box::new(Leaders { radius: 3.0 }),
        Box::new(Linfa::new(taxicab)),
        Box::new(LinfaWith::new(|points: &Points<'_>, rng| KMeans::params_with_rng(points.expected_count(), rng))),
        Box::new(LinfaWith::new(mixture)),
    ];

    let coordinates = array![[0.0, 0.0], [1.0, 1.0], [9.0, 9.0], [9.0, 8.0], [8.0, 9.0]];
    let points = Points::new(coordinates.view(), &[0, 0, 1, 1, 1]);
    for clusterer in &clusterers {
        check_clusterer(clusterer)?;
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
        let clustering = clusterer.cluster(&points, &mut rng)?;
        assert_eq!(clustering.labels[0], clustering.labels[1]);
        assert_ne!(clustering.labels[0], clustering.labels[2]);
        assert!(clustering.labels[2..].iter().all(|label| *label == clustering.labels[2]));
        println!("{clusterer:?}: {:?}", clustering.labels);
    }
    Ok(())
}
