use super::*;
use ndarray::Array1;
use proptest::prelude::*;

/// Points with an expected family each, at any of `scales`; whole numbers among them, so that points coincide and tie.
fn any_points(scales: &'static [f64]) -> impl Strategy<Value = (Array2<f64>, Vec<usize>)> {
    let value = prop_oneof![(-3..3i32).prop_map(f64::from), -10.0..10.0f64];
    (0..14usize, 0..6usize).prop_flat_map(move |(n, r)| {
        let values = prop::collection::vec((value.clone(), prop::sample::select(scales)), n * r);
        (values, prop::collection::vec(0..4usize, n)).prop_map(move |(values, families)| {
            let values = values.into_iter().map(|(value, scale)| value * scale).collect();
            (Array2::from_shape_vec((n, r), values).unwrap(), by_first_appearance(&families))
        })
    })
}

/// Points in general position: no two distances alike, so that no rounding decides.
fn apart() -> impl Strategy<Value = (Array2<f64>, Vec<usize>)> {
    (3..16usize, 1..6usize).prop_flat_map(|(n, r)| {
        let values = prop::collection::vec(-10.0..10.0f64, n * r);
        (values, prop::collection::vec(0..3usize, n)).prop_map(move |(values, families)| {
            (Array2::from_shape_vec((n, r), values).unwrap(), by_first_appearance(&families))
        })
    })
}

fn by_first_appearance(labels: &[usize]) -> Vec<usize> {
    let labels: Vec<Option<usize>> = labels.iter().copied().map(Some).collect();
    partition(&labels).into_iter().flatten().collect()
}

fn everything() -> Vec<Box<dyn Clusterer>> {
    let mut all = scale_free();
    all.push(Box::new(KMeans::new().with_families(3)));
    all.push(Box::new(KMeans::new().with_families(2).with_tolerance(0.0).with_max_iterations(5)));
    all.push(Box::new(MeanShift::new().with_bandwidth(2.0).with_tolerance(0.0)));
    all.push(Box::new(MeanShift::new().with_bandwidth(1e-300)));
    all.push(Box::new(MeanShift::new().with_bandwidth(1e300)));
    all.push(Box::new(Dbscan::new().with_radius(2.0).with_min_points(3)));
    all.push(Box::new(Dbscan::new().with_radius(1e-300)));
    all.push(Box::new(Dbscan::new().with_radius(1e300)));
    all.push(Box::new(GaussianMixture::new().with_families(2).with_coordinates(6)));
    all.push(Box::new(GaussianMixture::new().with_families(3).with_regularization(1e-300)));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn finite_points_never_panic((coordinates, expected) in any_points(&[1.0, 1.0, 1e-9, 1e150, 1e-150, 1e306])) {
        for clusterer in everything() {
            match cluster(&*clusterer, &coordinates, &expected, 5) {
                Ok(clustering) => prop_assert_eq!(clustering.labels.len(), expected.len()),
                Err(Error::FamilyCount { found, .. }) => prop_assert!(found > expected.len()),
                Err(Error::Clustering { reason, .. }) => prop_assert!(reason.contains("4 fits"), "{}", reason),
                Err(other) => return Err(TestCaseError::fail(other.to_string())),
            }
        }
    }

    #[test]
    fn one_seed_one_result((coordinates, expected) in any_points(&[1.0])) {
        for clusterer in everything() {
            let run = || cluster(&*clusterer, &coordinates, &expected, 5).map_err(|e| e.to_string());
            prop_assert_eq!(run(), run(), "{:?}", clusterer);
        }
    }

    #[test]
    fn copies_share_a_family((coordinates, expected) in any_points(&[1.0])) {
        for clusterer in everything() {
            let Ok(found) = cluster(&*clusterer, &coordinates, &expected, 5) else { continue };
            if format!("{clusterer:?}") == "ExpectedFamilies" {
                continue;
            }
            for i in 0..expected.len() {
                for j in 0..i {
                    if coordinates.row(i) == coordinates.row(j) {
                        prop_assert_eq!(found.labels[i], found.labels[j], "{:?}", clusterer);
                    }
                }
            }
        }
    }

    #[test]
    fn values_that_are_not_finite_are_an_error(
        (mut coordinates, expected) in apart(),
        at in any::<prop::sample::Index>(),
        value in prop::sample::select(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY][..]),
    ) {
        let position = at.index(coordinates.len());
        *coordinates.iter_mut().nth(position).unwrap() = value;
        for clusterer in everything().into_iter().skip(1) {
            let error = cluster(&*clusterer, &coordinates, &expected, 5).unwrap_err();
            prop_assert!(error.to_string().contains(&value.to_string()), "{:?}: {}", clusterer, error);
        }
    }

    #[test]
    fn moving_turning_and_scaling_all_points_changes_nothing(
        (coordinates, expected) in apart(),
        shift in -20.0..20.0f64,
        axis in prop::collection::vec(-1.0..1.0f64, 6),
        exponent in -40.0..40.0f64,
    ) {
        let axis = Array1::from_iter(axis.into_iter().take(coordinates.ncols()));
        prop_assume!(axis.dot(&axis) > 0.1);
        for clusterer in scale_free() {
            // A mixture looks at leading coordinates: only transformations that keep their order apply.
            let turned = if format!("{clusterer:?}").starts_with("GaussianMixture") {
                -&coordinates
            } else {
                reflected(&coordinates, &axis)
            };
            let transformed = (turned + shift) * 10.0_f64.powf(exponent);
            let before = cluster(&*clusterer, &coordinates, &expected, 5).map(|c| partition(&c.labels));
            let after = cluster(&*clusterer, &transformed, &expected, 5).map(|c| partition(&c.labels));
            match (before, after) {
                (Ok(before), Ok(after)) => prop_assert_eq!(before, after, "{:?}", clusterer),
                (before, after) => prop_assert!(before.is_err() && after.is_err(), "{:?}", clusterer),
            }
        }
    }
}

/// x − 2 a (a·x) / (a·a): a mirror through the origin, which keeps all distances.
fn reflected(coordinates: &Array2<f64>, axis: &Array1<f64>) -> Array2<f64> {
    let along = coordinates.dot(axis) * (2.0 / axis.dot(axis));
    Array2::from_shape_fn(coordinates.dim(), |(i, c)| coordinates[(i, c)] - along[i] * axis[c])
}
