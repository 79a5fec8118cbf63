//! A clusterer of one's own: linfa's DBSCAN with another distance, wrapped and checked.
//!
//! `cargo run --example own_clusterer --features testing`

use linfa::prelude::{ParamGuard, Transformer};
use linfa_nn::{CommonNearestNeighbour, distance::L1Dist};
use ndarray::array;
use neural_phylogeny::testing::check_clusterer;
use neural_phylogeny::{Clusterer, Clustering, Error, Points};
use rand::{RngCore, SeedableRng};

/// Families of models within an L1 distance of each other.
#[derive(Debug)]
struct Taxicab {
    eps: f64,
}

impl Clusterer for Taxicab {
    fn cluster(&self, points: &Points<'_>, _rng: &mut dyn RngCore) -> Result<Clustering, Error> {
        let coordinates = points.coordinates()?;
        let failed = |reason: String| Error::Clustering {
            clusterer: "Taxicab".into(),
            models: points.len(),
            coordinates: coordinates.ncols(),
            reason,
        };
        let search = CommonNearestNeighbour::LinearSearch;
        let params = linfa_clustering::Dbscan::params_with(2, L1Dist, search).tolerance(self.eps);
        let params = params.check().map_err(|e| failed(e.to_string()))?;
        Ok(Clustering::new(params.transform(&coordinates).to_vec()))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let taxicab = Taxicab { eps: 3.0 };
    check_clusterer(&taxicab)?;

    let coordinates = array![[0.0, 0.0], [1.0, 1.0], [9.0, 9.0], [9.0, 8.0], [5.0, 4.0]];
    let points = Points::new(coordinates.view(), &[0, 0, 1, 1, 2]);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let clustering = taxicab.cluster(&points, &mut rng)?;
    assert_eq!(clustering.labels, [Some(0), Some(0), Some(1), Some(1), None]);
    println!("{:?}", clustering.labels);
    Ok(())
}
