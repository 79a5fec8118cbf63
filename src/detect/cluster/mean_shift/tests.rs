use super::*;
use crate::detect::cluster::distances::squared_distances;
use ndarray::array;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn labels(mean_shift: &MeanShift, x: &Array2<f64>, expected: &[usize]) -> Vec<usize> {
    let clustering = mean_shift.cluster(&Points::new(x.view(), expected), &mut rng(0)).unwrap();
    clustering.labels.into_iter().map(Option::unwrap).collect()
}

/// A chain whose ends do not see each other: only climbing brings them together.
///
/// ```text
/// 0 . 1 . 2 . 3 . 4             5
/// ```
#[test]
fn centers_climb_and_are_merged_within_a_bandwidth() {
    let x = array![[0.0], [1.0], [2.0], [3.0], [4.0], [11.0]];
    assert_eq!(labels(&MeanShift::new().with_bandwidth(2.0), &x, &[0; 6]), [0, 0, 0, 0, 0, 1]);
}

/// By hand: at bandwidth 1.5 the centers rest at 0.5 (seeds 0, 1 see both) and at 10; the window of 10 holds three copies.
#[test]
fn copies_share_a_center_and_fuller_windows_come_first() {
    let x = array![[0.0], [1.0], [10.0], [10.0], [10.0]];
    assert_eq!(labels(&MeanShift::new().with_bandwidth(1.5), &x, &[0; 5]), [1, 1, 0, 0, 0]);
}

#[test]
fn the_window_is_closed() {
    // Both points lie exactly one bandwidth apart: each sees the other.
    assert_eq!(labels(&MeanShift::new().with_bandwidth(1.0), &array![[0.0], [1.0]], &[0, 1]), [0, 0]);
    assert_eq!(labels(&MeanShift::new().with_bandwidth(0.999), &array![[0.0], [1.0]], &[0, 1]), [0, 1]);
}

/// `sklearn.cluster.estimate_bandwidth([[0], [1], [3], [7], [20]], quantile=0.5)` takes 2 neighbors, the point itself one of
/// them: (1 + 1 + 2 + 4 + 13) / 5.
#[test]
fn the_quantile_rule_is_that_of_scikit_learn() {
    let squared = squared_distances(array![[0.0], [1.0], [3.0], [7.0], [20.0]].view());
    assert!((quantile_bandwidth(&squared, 0.5) - 4.2).abs() < 1e-9);
    assert_eq!(quantile_bandwidth(&squared, 0.0), 0.0);
    let all = (20.0 + 19.0 + 17.0 + 13.0 + 20.0) / 5.0;
    assert!((quantile_bandwidth(&squared, 1.0) - all).abs() < 1e-9);
}

#[test]
fn an_estimated_bandwidth_is_said_in_the_units_of_the_points() {
    let x = array![[0.0], [3e-5], [1e-5], [1.0], [1.00001]];
    let points = Points::new(x.view(), &[0, 0, 0, 1, 1]);
    let clustering = MeanShift::new().cluster(&points, &mut rng(0)).unwrap();
    assert_eq!(clustering.labels, [0, 0, 0, 1, 1].map(Some));
    let value = clustering.remarks.iter().find_map(|r| match r {
        Remark::RadiusEstimated { value, .. } => Some(*value),
        _ => None,
    });
    assert!((value.unwrap() - 3e-5).abs() < 1e-10);
}

#[test]
fn at_alpha_1_a_selector_changes_nothing() {
    let mut rng_points = rng(6);
    let x = Array2::from_shape_simple_fn((40, 3), || rng_points.sample::<f64, _>(StandardNormal));
    let expected = [0; 40];
    let points = Points::new(x.view(), &expected);
    let scores = |members: &[usize]| Ok(members.iter().map(|&m| m as f64).collect());
    let mean_shift = MeanShift::new().with_bandwidth(1.3);
    let (mut one, mut two) = (rng(3), rng(3));
    let alone = mean_shift.cluster(&points, &mut one).unwrap();
    assert_eq!(alone, mean_shift.cluster_along(&points, Alpha::Fixed(1.0), &scores, &mut two).unwrap());
    assert_eq!(one, rng(3), "no random number is used at α = 1");
    assert_eq!(two, rng(3), "no random number is used at α = 1");
}

#[test]
fn at_alpha_0_every_center_is_a_model() {
    let mut rng_points = rng(6);
    let x = Array2::from_shape_simple_fn((40, 3), || rng_points.sample::<f64, _>(StandardNormal));
    let squared = squared_distances(x.view());
    let scores = |members: &[usize]| Ok(members.iter().map(|&m| m as f64).collect());
    let preference = Preference::new(&scores);
    let mut centers = Centers::at_every_point(&squared);
    for _ in 0..5 {
        centers.advance(1.3, Some(&preference)).unwrap();
        assert!(centers.distinct.iter().all(|c| c.members.len() == 1));
    }
}

/// The window's mean lies between the parent p and its far child f; both ends of the bridge to q then see one dense place.
///
/// ```text
/// p s s . . . f . . . q t t      bandwidth: from p to f
/// ```
#[test]
fn below_alpha_1_windows_stay_at_parents() {
    let x = array![[0.0], [0.1], [0.2], [3.0], [6.0], [6.1], [6.2]];
    let parents = [0, 4];
    let scores = |members: &[usize]| Ok(members.iter().map(|i| f64::from(!parents.contains(i))).collect());
    let points = Points::new(x.view(), &[0, 0, 0, 0, 1, 1, 1]);
    let means = MeanShift::new().with_bandwidth(3.2);
    let along = means.cluster_along(&points, Alpha::Fixed(0.0), &scores, &mut rng(0)).unwrap();
    assert_eq!(along.labels, [0, 0, 0, 0, 1, 1, 1].map(Some));
    let after = means.cluster(&points, &mut rng(0)).unwrap();
    assert_ne!(after.labels, along.labels);
}

/// One for all centers, none at α = 1; and centers of the same members have shifted by exactly 0.
#[test]
fn one_number_is_drawn_for_each_iteration_until_rest() {
    let mut rng_points = rng(6);
    let x = Array2::from_shape_simple_fn((40, 3), || rng_points.sample::<f64, _>(StandardNormal));
    let expected = [0; 40];
    let points = Points::new(x.view(), &expected);
    let scores = |members: &[usize]| Ok(members.iter().map(|&i| x.row(i).dot(&x.row(i))).collect());
    for alpha in [0.0, 0.5, 0.9] {
        let (mut used, mut counted) = (rng(3), rng(3));
        let mean_shift = MeanShift::new().with_bandwidth(1.3).with_tolerance(0.0);
        let found = mean_shift.cluster_along(&points, Alpha::Fixed(alpha), &scores, &mut used).unwrap();
        let [Remark::Converged { iterations, .. }] = found.remarks[..] else { panic!("{:?}", found.remarks) };
        (0..iterations).for_each(|_| {
            counted.next_u64();
        });
        assert_eq!(used, counted, "α = {alpha}");
    }
}

#[test]
fn the_limit_is_said() {
    let x = array![[0.0], [1.0], [2.0], [3.0], [4.0], [11.0]];
    let points = Points::new(x.view(), &[0; 6]);
    let limited = MeanShift::new().with_bandwidth(1.0).with_max_iterations(1);
    let remarks = limited.cluster(&points, &mut rng(0)).unwrap().remarks;
    assert_eq!(remarks, [Remark::NotConverged { clusterer: NAME.into(), iterations: 1 }]);
}

#[test]
fn each_setting_is_checked() {
    let x = array![[0.0], [1.0]];
    let points = Points::new(x.view(), &[0, 1]);
    let setting = |m: MeanShift| match m.cluster(&points, &mut rng(0)) {
        Err(Error::InvalidSetting { setting, .. }) => setting,
        other => panic!("{other:?}"),
    };
    for bandwidth in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(setting(MeanShift::new().with_bandwidth(bandwidth)), "bandwidth");
    }
    for quantile in [-0.1, 1.1, f64::NAN] {
        assert_eq!(setting(MeanShift::new().with_bandwidth(Bandwidth::Quantile(quantile))), "bandwidth quantile");
    }
    let scores = |members: &[usize]| Ok(vec![0.0; members.len()]);
    let along = MeanShift::new().cluster_along(&points, Alpha::Fixed(2.0), &scores, &mut rng(0));
    assert!(matches!(along, Err(Error::InvalidSetting { setting: "alpha", .. })));
    assert_eq!(setting(MeanShift::new().with_max_iterations(0)), "max_iterations");
    assert_eq!(setting(MeanShift::new().with_tolerance(f64::INFINITY)), "tolerance");
}
