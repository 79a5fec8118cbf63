//! Every clusterer on the same points: stories with labelled points, raw vectors against coordinates, invariants.

mod properties;
mod raw;
mod stories;

use ndarray::Array2;
use neural_phylogeny::detect::cluster::{
    Bandwidth, Clustering, Dbscan, ExpectedFamilies, GaussianMixture, KMeans, MeanShift, Points,
};
use neural_phylogeny::{Clusterer, Error};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn cluster(
    clusterer: &dyn Clusterer,
    coordinates: &Array2<f64>,
    expected: &[usize],
    seed: u64,
) -> Result<Clustering, Error> {
    clusterer.cluster(&Points::new(coordinates.view(), expected), &mut rng(seed))
}

/// Labels numbered by first appearance, noise left noise: equal for equal partitions.
fn partition(labels: &[Option<usize>]) -> Vec<Option<usize>> {
    let mut seen = Vec::new();
    let number = |&label: &Option<usize>| {
        let label = label?;
        if !seen.contains(&label) {
            seen.push(label);
        }
        seen.iter().position(|&s| s == label)
    };
    labels.iter().map(number).collect()
}

/// Those whose settings follow from the expected families and do not depend on the scale of the weights.
fn scale_free() -> Vec<Box<dyn Clusterer>> {
    vec![
        Box::new(ExpectedFamilies),
        Box::new(KMeans::new()),
        Box::new(MeanShift::new()),
        Box::new(MeanShift::new().with_bandwidth(Bandwidth::Quantile(0.3))),
        Box::new(Dbscan::new()),
        Box::new(GaussianMixture::new()),
    ]
}
