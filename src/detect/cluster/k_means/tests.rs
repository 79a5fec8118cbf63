use super::*;
use crate::detect::cluster::distances::Euclidean;
use linfa::DatasetBase;
use linfa::prelude::{Fit, ParamGuard, Predict};
use linfa_clustering::{KMeans as LinfaKMeans, KMeansInit};
use ndarray::{Array1, Array2, Axis, array};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn normal(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    let mut rng = rng(seed);
    Array2::from_shape_simple_fn((rows, columns), || rng.sample(StandardNormal))
}

fn run(k_means: &KMeans, coordinates: &Array2<f64>, prefer: Option<&PreferMember<'_>>, seed: u64) -> Run {
    let expected = vec![0; coordinates.nrows()];
    let points = Points::new(coordinates.view(), &expected);
    k_means.best_run(&points, prefer, &mut rng(seed)).unwrap().unwrap()
}

/// Textbook Lloyd, sharing nothing with the code under test.
fn plain_lloyd(x: &Array2<f64>, mut centroids: Array2<f64>) -> (Vec<usize>, Array2<f64>) {
    loop {
        let labels: Vec<usize> = x
            .rows()
            .into_iter()
            .map(|p| {
                let squared: Vec<f64> = centroids.rows().into_iter().map(|c| (&p - &c).mapv(|d| d * d).sum()).collect();
                (0..squared.len()).min_by(|&a, &b| squared[a].total_cmp(&squared[b])).unwrap()
            })
            .collect();
        let mut next = centroids.clone();
        for k in 0..centroids.nrows() {
            let members: Vec<usize> = (0..x.nrows()).filter(|&i| labels[i] == k).collect();
            next.row_mut(k).assign(&x.select(Axis(0), &members).mean_axis(Axis(0)).unwrap());
        }
        if (&next - &centroids).iter().all(|d| d.abs() < 1e-14) {
            return (labels, next);
        }
        centroids = next;
    }
}

#[test]
fn at_alpha_1_it_is_plain_lloyd_and_linfas_own_result() {
    let x = normal(100, 7, 5);
    for families in [2, 5] {
        for seed in 0..10 {
            let expected = vec![0; 100];
            let points = Points::new(x.view(), &expected);
            let scaled = Scaled::new(NAME, &points).unwrap();
            let rule = CentroidRule::new(1.0, None).unwrap();
            let start = Lloyd::new(&points, &scaled.coordinates, rule, 300, 1e-16).seed(families, &mut rng(seed));

            let ours = run(&KMeans::new().with_families(families).with_restarts(1), &x, None, seed);
            let (labels, centroids) = plain_lloyd(&x, &start / scaled.scale);
            assert_eq!(ours.labels, labels);
            let difference =
                (&ours.centroids / scaled.scale - &centroids).mapv(f64::abs).fold(0.0, |a, &b| f64::max(a, b));
            assert!(difference < 1e-12, "{difference:e}");

            // linfa's damped iteration comes to rest at the same fixed point when started there.
            let linfa = LinfaKMeans::params_with(families, rng(0), Euclidean)
                .init_method(KMeansInit::Precomputed(centroids.clone()))
                .tolerance(1e-13)
                .n_runs(1)
                .check()
                .unwrap();
            let linfa = linfa.fit(&DatasetBase::from(x.view())).unwrap();
            assert!((linfa.centroids() - &centroids).iter().all(|d| d.abs() < 1e-12));
            let theirs: Array1<usize> = linfa.predict(&x);
            assert_eq!(ours.labels, theirs.to_vec());
        }
    }
}

#[test]
fn at_alpha_1_a_selector_changes_nothing() {
    let x = normal(60, 5, 8);
    let prefer = |members: &[usize]| Ok(members[0]);
    let k_means = KMeans::new().with_families(4);
    let (alone, along) = (run(&k_means, &x, None, 3), run(&k_means, &x, Some(&prefer), 3));
    assert_eq!(alone.labels, along.labels);
    assert_eq!(alone.centroids, along.centroids);
}

#[test]
fn at_alpha_0_every_centroid_is_a_model() {
    let x = normal(60, 5, 8);
    let norms: Vec<f64> = x.rows().into_iter().map(|p| p.dot(&p)).collect();
    let prefer = |members: &[usize]| Ok(*members.iter().min_by(|&&a, &&b| norms[a].total_cmp(&norms[b])).unwrap());
    for seed in 0..10 {
        let run = run(&KMeans::new().with_families(4).with_alpha(0.0).with_restarts(1), &x, Some(&prefer), seed);
        assert!(run.converged);
        let expected = [0; 60];
        let scale = Scaled::new(NAME, &Points::new(x.view(), &expected)).unwrap().scale;
        for centroid in run.centroids.rows() {
            assert!(x.rows().into_iter().any(|p| p.mapv(|v| v * scale) == centroid), "seed {seed}");
        }
    }
}

/// The reason the α rule exists, seen from above:
/// ```text
///                            s                     t
///   f . . . . . . . . . . .  A s . . . . b . . . t B t       f far child, b border child of A
///                            s                     t
/// ```
/// With its far child the mean of A's family lies so far left that b is nearer to B's; b is nearer to A itself than to B.
#[test]
fn one_far_child_takes_the_mean_away_from_the_parent_but_not_the_member() {
    let x = array![
        [0.0, 0.0],   // A
        [0.0, 1.0],   // s
        [0.0, -1.0],  // s
        [1.0, 0.0],   // s
        [4.6, 0.0],   // b
        [-14.0, 0.0], // f
        [10.0, 0.0],  // B
        [10.0, 1.0],  // t
        [10.0, -1.0], // t
        [11.0, 0.0],  // t
        [9.0, 0.0],   // t
    ];
    let prefer =
        |members: &[usize]| Ok(*members.iter().min_by_key(|&&i| (i != 0 && i != 6, i)).expect("a cluster has members"));
    // Seeding by squared distance draws the far child two times in three, and a restart that begins there cannot leave it.
    let k_means = KMeans::new().with_families(2).with_restarts(40);
    for seed in 0..20 {
        let means = run(&k_means, &x, Some(&prefer), seed);
        assert_eq!(means.labels[4], means.labels[6], "α = 1 loses the border child");
        assert_ne!(means.labels[4], means.labels[0], "α = 1 loses the border child");
        let parent_is_centroid = |run: &Run| run.centroids.row(run.labels[0]).iter().all(|&v| v == 0.0);
        assert!(!parent_is_centroid(&means));

        let members = run(&k_means.clone().with_alpha(0.0), &x, Some(&prefer), seed);
        assert!(parent_is_centroid(&members), "α = 0 keeps the parent as centroid");
        for alpha in [0.0, 0.1, 0.25, 0.5] {
            let along = run(&k_means.clone().with_alpha(alpha), &x, Some(&prefer), seed);
            for i in 0..x.nrows() {
                assert_eq!(along.labels[i] == along.labels[0], i < 6, "α = {alpha}, seed {seed}, model {i}");
            }
        }
    }
}

#[test]
fn an_empty_cluster_restarts_at_the_farthest_model() {
    let x = array![[0.0], [1.0], [10.0], [10.0], [13.0]];
    let expected = [0; 5];
    let points = Points::new(x.view(), &expected);
    let lloyd = Lloyd::new(&points, &x, CentroidRule::new(1.0, None).unwrap(), 300, 0.0);
    // The third centroid is nearer to no model.
    let next = lloyd.means(&array![[0.5], [11.0], [1000.0]]).unwrap();
    assert_eq!(next, array![[0.5], [11.0], [13.0]]);
    let run = lloyd.run(array![[0.5], [11.0], [1000.0]], &mut rng(0)).unwrap();
    assert_eq!(run.labels, [0, 0, 1, 1, 2]);
    assert!(run.centroids.iter().all(|c| c.is_finite()));
}

#[test]
fn restarts_keep_the_least_sum_of_squares() {
    let x = normal(80, 3, 21);
    let best = run(&KMeans::new().with_families(6).with_restarts(30), &x, None, 0).objective;
    let first = run(&KMeans::new().with_families(6).with_restarts(1), &x, None, 0).objective;
    assert!(best < first);
}

#[test]
fn the_limit_is_said() {
    let x = normal(80, 3, 21);
    let run = run(&KMeans::new().with_families(6).with_max_iterations(1).with_restarts(1), &x, None, 0);
    assert!(!run.converged);
    assert_eq!(run.iterations, 1);
}

#[test]
fn each_setting_is_checked() {
    let x = array![[0.0], [1.0]];
    let points = Points::new(x.view(), &[0, 1]);
    let fails = |k_means: KMeans| k_means.cluster(&points, &mut rng(0)).unwrap_err();
    let setting = |error: Error| match error {
        Error::InvalidSetting { setting, .. } => setting,
        other => panic!("{other}"),
    };
    assert_eq!(setting(fails(KMeans::new().with_alpha(f64::NAN))), "alpha");
    assert_eq!(setting(fails(KMeans::new().with_alpha(0.5))), "alpha");
    assert_eq!(setting(fails(KMeans::new().with_restarts(0))), "restarts");
    assert_eq!(setting(fails(KMeans::new().with_max_iterations(0))), "max_iterations");
    assert_eq!(setting(fails(KMeans::new().with_tolerance(f64::NAN))), "tolerance");
    assert_eq!(setting(fails(KMeans::new().with_tolerance(-1.0))), "tolerance");
    assert!(matches!(fails(KMeans::new().with_families(0)), Error::FamilyCount { found: 0, least: 1, most: 2, .. }));
    assert!(matches!(fails(KMeans::new().with_families(3)), Error::FamilyCount { found: 3, least: 1, most: 2, .. }));
}

#[test]
fn a_selector_that_fails_ends_the_run() {
    let x = array![[0.0], [1.0]];
    let points = Points::new(x.view(), &[0, 0]);
    let fails = |_: &[usize]| Err(Error::Interrupted);
    let result = KMeans::new().with_alpha(0.0).cluster_along(&points, &fails, &mut rng(0));
    assert!(matches!(result, Err(Error::Interrupted)));
}
