//! Clustering the coordinates is clustering the flattened weights: each method in its plainest form on raw vectors must give the
//! partition that ours gives on their principal coordinates.

use super::*;
use faer::{Mat, Side};
use linfa::DatasetBase;
use linfa::prelude::{Fit, ParamGuard, Predict, Transformer};
use linfa_clustering::GaussianMixtureModel;
use ndarray::{Array1, Axis};
use neural_phylogeny::phylogeny::Remark;
use rand::{Rng, RngCore};
use rand_distr::StandardNormal;

const D: usize = 200;

/// `families` families of `size` models: a distance of about 10 · `apart` between, 10 within.
fn weights(families: usize, size: usize, apart: f64, seed: u64) -> (Array2<f64>, Vec<usize>) {
    let mut rng = rng(seed);
    let mut normal = move || rng.sample::<f64, _>(StandardNormal);
    let parents = Array2::from_shape_simple_fn((families, D), || apart / 2.0 * normal());
    let weights =
        Array2::from_shape_fn((families * size, D), |(i, d)| parents[(i / size, d)] + normal() / 2.0_f64.sqrt());
    (weights, (0..families * size).map(|i| i / size).collect())
}

/// Families far apart, families that overlap, and no families at all.
fn sets() -> Vec<(Array2<f64>, Vec<usize>)> {
    let far = (0..3).map(|seed| weights(3, 5, 3.0, seed));
    let near = (3..6).map(|seed| weights(4, 6, 0.8, seed));
    let none = (6..9).map(|seed| (weights(1, 20, 0.0, seed).0, (0..20).map(|i| i / 5).collect()));
    far.chain(near).chain(none).collect()
}

fn squared(a: &Array1<f64>, b: &Array1<f64>) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum()
}

/// Classical multidimensional scaling: eigenvectors of the centered Gram matrix times the roots of their eigenvalues.
fn principal_coordinates(weights: &Array2<f64>) -> Array2<f64> {
    let centered = weights - &weights.mean_axis(Axis(0)).unwrap();
    let gram = centered.dot(&centered.t());
    let n = gram.nrows();
    let eigen = Mat::from_fn(n, n, |i, j| gram[(i, j)]).self_adjoint_eigen(Side::Lower).unwrap();
    // Ascending; the smallest belongs to the mean that was taken out.
    Array2::from_shape_fn((n, n - 1), |(i, c)| {
        let column = n - 1 - c;
        eigen.U()[(i, column)] * eigen.S()[column].max(0.0).sqrt()
    })
}

#[test]
fn k_means_is_plain_lloyd_on_the_weights() {
    for (weights, expected) in sets() {
        let families = expected.iter().max().unwrap() + 1;
        for seed in 0..5 {
            let ours = cluster(&KMeans::new().with_restarts(1), &principal_coordinates(&weights), &expected, seed);
            let plain = plain_k_means(&weights, families, &mut rng(seed));
            assert_eq!(partition(&ours.unwrap().labels), partition(&plain));
        }
    }
}

/// k-means++ (the first seed evenly, then by squared distance, one random number each) and Lloyd, written out.
fn plain_k_means(weights: &Array2<f64>, families: usize, rng: &mut ChaCha8Rng) -> Vec<Option<usize>> {
    let points: Vec<Array1<f64>> = weights.rows().into_iter().map(|r| r.to_owned()).collect();
    let mut centroids: Vec<Array1<f64>> = Vec::new();
    while centroids.len() < families {
        let share: Vec<f64> =
            points.iter().map(|p| centroids.iter().map(|c| squared(p, c)).reduce(f64::min).unwrap_or(1.0)).collect();
        let mut left = rng.r#gen::<f64>() * share.iter().sum::<f64>();
        let drawn = share.iter().position(|s| {
            left -= s;
            left < 0.0
        });
        centroids.push(points[drawn.unwrap()].clone());
    }
    loop {
        let nearest = |p: &Array1<f64>| {
            (0..families).min_by(|&a, &b| squared(p, &centroids[a]).total_cmp(&squared(p, &centroids[b]))).unwrap()
        };
        let labels: Vec<usize> = points.iter().map(nearest).collect();
        let mean = |k: usize| {
            let members = (0..points.len()).filter(|&i| labels[i] == k).map(|i| &points[i]);
            let count = members.clone().count();
            members.fold(Array1::zeros(D), |sum, p| sum + p) / count as f64
        };
        let next: Vec<Array1<f64>> = (0..families).map(mean).collect();
        if next.iter().zip(&centroids).all(|(a, b)| squared(a, b) < 1e-20) {
            return labels.into_iter().map(Some).collect();
        }
        centroids = next;
    }
}

#[test]
fn mean_shift_is_plain_mean_shift_on_the_weights() {
    for (weights, expected) in sets() {
        // From windows of one model to windows of all.
        for bandwidth in [8.0, 11.0, 13.0, 14.0, 15.0, 17.0, 25.0, 60.0] {
            let ours =
                cluster(&MeanShift::new().with_bandwidth(bandwidth), &principal_coordinates(&weights), &expected, 0);
            assert_eq!(partition(&ours.unwrap().labels), partition(&plain_mean_shift(&weights, bandwidth)));
        }
    }
}

fn plain_mean_shift(weights: &Array2<f64>, bandwidth: f64) -> Vec<Option<usize>> {
    let points: Vec<Array1<f64>> = weights.rows().into_iter().map(|r| r.to_owned()).collect();
    let window = |c: &Array1<f64>| -> Vec<usize> {
        (0..points.len()).filter(|&i| squared(c, &points[i]).sqrt() <= bandwidth).collect()
    };
    let mut centers = points.clone();
    for _ in 0..300 {
        for center in &mut centers {
            let members = window(center);
            *center = members.iter().fold(Array1::zeros(D), |sum, &i| sum + &points[i]) / members.len() as f64;
        }
    }
    centers.sort_by_key(|c| std::cmp::Reverse(window(c).len()));
    let mut kept: Vec<Array1<f64>> = Vec::new();
    for center in centers {
        if kept.iter().all(|k| squared(k, &center).sqrt() > bandwidth) {
            kept.push(center);
        }
    }
    let nearest =
        |p: &Array1<f64>| (0..kept.len()).min_by(|&a, &b| squared(p, &kept[a]).total_cmp(&squared(p, &kept[b])));
    points.iter().map(nearest).collect()
}

#[test]
fn dbscan_is_linfas_on_the_weights() {
    for (weights, expected) in sets() {
        for eps in [8.0, 11.0, 13.0, 14.0, 14.3, 15.0, 17.0, 25.0, 60.0] {
            for min_points in [2, 3, 5] {
                let dbscan = Dbscan::new().with_radius(eps).with_min_points(min_points);
                let ours = cluster(&dbscan, &principal_coordinates(&weights), &expected, 0).unwrap().labels;
                let linfa = linfa_clustering::Dbscan::params(min_points).tolerance(eps).check().unwrap();
                assert_eq!(ours, linfa.transform(&weights).to_vec(), "eps {eps}, {min_points} points");
            }
        }
    }
}

#[test]
fn gaussian_mixture_is_linfas_on_the_principal_components_of_the_weights() {
    for (weights, expected) in sets() {
        let families = expected.iter().max().unwrap() + 1;
        for used in [1, 2] {
            let mixture = GaussianMixture::new().with_coordinates(used);
            let ours = cluster(&mixture, &principal_coordinates(&weights), &expected, 3).unwrap();
            // A raised regularization would be another model than linfa's below.
            let raised = |r: &Remark| matches!(r, Remark::Regularized { share } if *share != 1e-6);
            assert!(!ours.remarks.iter().any(raised), "{:?}", ours.remarks);

            let mut seed = [0; 32];
            rng(3).fill_bytes(&mut seed);
            let linfa = GaussianMixtureModel::params_with_rng(families, ChaCha8Rng::from_seed(seed))
                .max_n_iterations(300)
                .fit(&DatasetBase::from(principal_components(&weights, used)))
                .unwrap();
            let labels = linfa.predict(&principal_components(&weights, used));
            assert_eq!(partition(&ours.labels), partition(&labels.map(|&l| Some(l)).to_vec()));
        }
    }
}

/// Scores on the leading right singular vectors of the centered weights, scaled to a mean variance of 1.
fn principal_components(weights: &Array2<f64>, used: usize) -> Array2<f64> {
    let centered = weights - &weights.mean_axis(Axis(0)).unwrap();
    let svd = Mat::from_fn(weights.nrows(), D, |i, d| centered[(i, d)]).thin_svd().unwrap();
    let directions = Array2::from_shape_fn((D, used), |(d, c)| svd.V()[(d, c)]);
    let scores = centered.dot(&directions);
    let variance = scores.var_axis(Axis(0), 0.0).mean().unwrap();
    scores / variance.sqrt()
}
