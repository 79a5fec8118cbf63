//! What each clusterer costs on the coordinates of N models in eight families, all N − 1 coordinates in use.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ndarray::Array2;
use neural_phylogeny::Clusterer;
use neural_phylogeny::detect::cluster::{Alpha, CentroidClusterer, Dbscan, GaussianMixture, KMeans, MeanShift, Points};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::time::Duration;

const FAMILIES: usize = 8;

/// Parents at distances of about 1 from each other, children within about a tenth of it.
fn coordinates(n: usize) -> (Array2<f64>, Vec<usize>) {
    let mut rng = ChaCha8Rng::seed_from_u64(42);
    let r = n - 1;
    let scale = 1.0 / (2.0 * r as f64).sqrt();
    let mut normal = || rng.sample::<f64, _>(StandardNormal);
    let parents = Array2::from_shape_simple_fn((FAMILIES, r), || scale * normal());
    let coordinates = Array2::from_shape_fn((n, r), |(i, c)| parents[(i % FAMILIES, c)] + 0.1 * scale * normal());
    (coordinates, (0..n).map(|i| i % FAMILIES).collect())
}

fn detectors(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("clusterers");
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    for n in [50, 366, 1000] {
        let (coordinates, expected) = coordinates(n);
        let points = Points::new(coordinates.view(), &expected);
        let rng = || ChaCha8Rng::seed_from_u64(1);
        let clusterers: [(&str, &dyn Clusterer); 4] = [
            ("k-means", &KMeans::new()),
            ("mean-shift", &MeanShift::new()),
            ("dbscan", &Dbscan::new()),
            ("gaussian-mixture", &GaussianMixture::new()),
        ];
        for (name, clusterer) in clusterers {
            group.bench_function(BenchmarkId::new(name, format!("{n}-models")), |bencher| {
                bencher.iter(|| clusterer.cluster(&points, &mut rng()).unwrap());
            });
        }
        let scores = |members: &[usize]| Ok(members.iter().map(|&m| m as f64).collect());
        let along: [(&str, &dyn CentroidClusterer); 2] =
            [("k-means-along", &KMeans::new()), ("mean-shift-along", &MeanShift::new())];
        for (name, clusterer) in along {
            group.bench_function(BenchmarkId::new(name, format!("{n}-models")), |bencher| {
                bencher.iter(|| clusterer.cluster_along(&points, Alpha::Fixed(0.5), &scores, &mut rng()).unwrap());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, detectors);
criterion_main!(benches);
