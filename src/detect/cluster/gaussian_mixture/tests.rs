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
        assert!(matches!(found.remarks[..], [Remark::Regularized { share }] if share >= 1e-6), "{:?}", found.remarks);
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
