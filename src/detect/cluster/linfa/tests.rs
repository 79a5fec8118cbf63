use super::*;
use crate::detect::cluster::{ClusterDetector, Dbscan, KMeans};
use linfa::ParamGuard;
use linfa_clustering::{Dbscan as LinfaDbscan, GaussianMixtureModel, KMeans as LinfaKMeans};
use ndarray::array;

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(3)
}

/// Three families far apart, the second one first.
fn blobs() -> Array2<f64> {
    let mut rng = rng();
    Array2::from_shape_fn((30, 2), |(i, c)| {
        let noise = f64::from(rng.next_u32()) / f64::from(u32::MAX);
        noise + if c == (i + 1) % 3 { 50.0 } else { 0.0 }
    })
}

/// Three clusterers of linfa, by both ways and both types.
fn all() -> Vec<Box<dyn Clusterer>> {
    vec![
        Box::new(LinfaWith::new(|p: &Points<'_>, rng| LinfaKMeans::params_with_rng(p.expected_count(), rng))),
        Box::new(LinfaWith::new(|p: &Points<'_>, rng| {
            GaussianMixtureModel::params(p.expected_count()).with_rng(rng).reg_covariance(1e-3)
        })),
        Box::new(Linfa::new(LinfaDbscan::params(2).tolerance(5.0))),
        // Settings that were checked before.
        Box::new(Linfa::new(LinfaDbscan::params(2).tolerance(5.0).check().unwrap())),
    ]
}

#[test]
fn families_far_apart_are_found_by_each_and_numbered_by_first_appearance() {
    let x = blobs();
    let expected: Vec<usize> = (0..30).map(|i| i % 3).collect();
    for clusterer in all() {
        let labels = clusterer.cluster(&Points::new(x.view(), &expected), &mut rng()).unwrap().labels;
        assert_eq!(labels, expected.iter().copied().map(Some).collect::<Vec<_>>(), "{clusterer:?}");
    }
}

#[test]
fn noise_stays_noise() {
    let x = array![[0.0], [50.0], [0.1], [50.1], [99.0]];
    let labels = Linfa::new(LinfaDbscan::params(2).tolerance(1.0)).cluster(&Points::new(x.view(), &[0; 5]), &mut rng());
    assert_eq!(labels.unwrap().labels, [Some(0), Some(1), Some(0), Some(1), None]);
    assert_eq!(labels::numbered(&[Some(7), None, Some(2), Some(7)]), [Some(0), None, Some(1), Some(0)]);
}

#[test]
fn what_linfa_cannot_take_is_an_error_or_a_result_and_no_panic() {
    let families = [0, 1, 2, 3, 4];
    for x in [
        Array2::zeros((0, 0)),
        Array2::zeros((5, 0)),
        Array2::from_elem((5, 2), f64::NAN),
        Array2::from_elem((5, 2), 1e300),
        Array2::from_elem((1, 1), 0.5),
    ] {
        for clusterer in all() {
            let points = Points::new(x.view(), &families[..x.nrows()]);
            match clusterer.cluster(&points, &mut rng()) {
                Ok(clustering) => assert_eq!(clustering.labels.len(), x.nrows()),
                Err(Error::Clustering { reason, .. }) => assert!(!reason.is_empty() && x.nrows() > 0),
                Err(other) => panic!("{other}"),
            }
        }
    }
    let nan = array![[0.0], [f64::NAN]];
    let refused = Linfa::new(LinfaDbscan::params(2)).cluster(&Points::new(nan.view(), &[0, 1]), &mut rng());
    assert!(refused.unwrap_err().to_string().starts_with("DbscanParams failed on 2 models"));
}

#[test]
fn settings_that_linfa_refuses_are_an_error_with_its_reason() {
    let x = array![[0.0], [1.0]];
    let refused =
        Linfa::new(LinfaDbscan::params(1).tolerance(1.0)).cluster(&Points::new(x.view(), &[0, 1]), &mut rng());
    assert!(matches!(refused, Err(Error::Clustering { clusterer, .. }) if clusterer == "DbscanParams"));
}

/// The seed of the run reaches linfa.
#[test]
fn random_numbers_are_those_of_the_run() {
    let clusterer = LinfaWith::new(|_: &Points<'_>, mut rng: ChaCha8Rng| {
        LinfaDbscan::params(2).tolerance(if rng.next_u32().is_multiple_of(2) { 0.5 } else { 5.0 })
    });
    let x = array![[0.0], [1.0]];
    let found: std::collections::BTreeSet<Vec<Option<usize>>> = (0..20)
        .map(|seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            clusterer.cluster(&Points::new(x.view(), &[0, 0]), &mut rng).unwrap().labels
        })
        .collect();
    assert_eq!(found.len(), 2);
}

#[test]
fn they_divide_as_ours_do() {
    let x = blobs();
    let expected: Vec<usize> = (0..30).map(|i| i % 3).collect();
    let points = Points::new(x.view(), &expected);
    let linfa = Linfa::new(LinfaDbscan::params(2).tolerance(5.0)).cluster(&points, &mut rng()).unwrap();
    assert_eq!(linfa.labels, Dbscan::new().with_radius(5.0).cluster(&points, &mut rng()).unwrap().labels);
    let ours = KMeans::new().cluster(&points, &mut rng()).unwrap().labels;
    assert_eq!(linfa.labels, labels::numbered(&ours));
    // A detector like any other.
    let _ = ClusterDetector::new(Linfa::new(LinfaDbscan::params(2).tolerance(5.0)));
}
