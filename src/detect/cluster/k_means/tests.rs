use super::*;
use crate::detect::PhylogenyDetector;
use crate::detect::cluster::ClusterDetector;
use crate::detect::cluster::center::Center;
use linfa::DatasetBase;
use linfa::prelude::{Fit, FitWith, ParamGuard, Predict};
use linfa_clustering::{IncrKMeansError, KMeans as LinfaKMeans, KMeansInit};
use linfa_nn::distance::L2Dist;
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

fn run(k_means: &KMeans, coordinates: &Array2<f64>, along: Option<(f64, &MemberScores<'_>)>, seed: u64) -> Run {
    let expected = vec![0; coordinates.nrows()];
    let points = Points::new(coordinates.view(), &expected);
    let along = along.map(|(alpha, scores)| (Alpha::Fixed(alpha), scores));
    k_means.divide(&points, along, &mut rng(seed)).unwrap().0.unwrap()
}

fn distances(coordinates: &Array2<f64>) -> Distances {
    let expected = vec![0; coordinates.nrows()];
    Distances::new(NAME, &Points::new(coordinates.view(), &expected)).unwrap()
}

/// Where centers lie, in the units of `x`.
fn centroids(members: &[Vec<usize>], x: &Array2<f64>) -> Array2<f64> {
    let mean = |set: &Vec<usize>| x.select(Axis(0), set).mean_axis(Axis(0)).unwrap();
    let rows: Vec<f64> = members.iter().flat_map(|set| mean(set).to_vec()).collect();
    Array2::from_shape_vec((members.len(), x.ncols()), rows).unwrap()
}

fn members(centers: &[std::rc::Rc<Center<'_>>]) -> Vec<Vec<usize>> {
    centers.iter().map(|c| c.members.clone()).collect()
}

fn largest(differences: Array2<f64>) -> f64 {
    differences.iter().fold(0.0, |most, d| f64::max(most, d.abs()))
}

/// linfa's incremental update from given centroids and no history: the one call there that is a Lloyd step.
fn linfa_step(x: &Array2<f64>, centroids: &Array2<f64>) -> LinfaKMeans<f64, L2Dist> {
    let params = LinfaKMeans::params_with(centroids.nrows(), rng(0), L2Dist)
        .init_method(KMeansInit::Precomputed(centroids.clone()));
    match params.check().unwrap().fit_with(None, &DatasetBase::from(x.view())) {
        Ok(model) | Err(IncrKMeansError::NotConverged(model)) => model,
        Err(other) => panic!("{other}"),
    }
}

/// From seeds to rest: every step is linfa's, in centroids and in the labels that follow from them.
#[test]
fn a_step_is_linfas() {
    for (x, families) in [(normal(100, 7, 5), 5), (normal(60, 59, 6), 4), (normal(40, 2, 7), 8)] {
        let distances = distances(&x);
        let means = Means::new(&distances);
        let lloyd = Lloyd::new(&means, CentroidRule::new(1.0, None), 300, 0.0);
        for seed in 0..10 {
            let all: Vec<usize> = (0..x.nrows()).collect();
            let seeds = super::seed(&distances, &all, families, &mut rng(seed));
            let mut centers: Vec<_> =
                seeds.into_iter().map(|i| std::rc::Rc::new(Center::of(vec![i], &distances.squared))).collect();
            for _ in 0..5 {
                let linfa = linfa_step(&x, &centroids(&members(&centers), &x));
                centers = lloyd.step(&centers, None).unwrap();
                assert!(largest(centroids(&members(&centers), &x) - linfa.centroids()) < 1e-12);
            }
        }
    }
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
            let all: Vec<usize> = (0..100).collect();
            let start = super::seed(&distances(&x), &all, families, &mut rng(seed));

            let ours = run(&KMeans::new().with_families(families).with_restarts(1), &x, None, seed);
            let (labels, centroids) = plain_lloyd(&x, x.select(Axis(0), &start));
            assert_eq!(ours.labels, labels);
            assert!(largest(super::tests::centroids(&ours.centroids, &x) - &centroids) < 1e-12);

            // linfa's damped iteration comes to rest at the same fixed point when started there.
            let linfa = LinfaKMeans::params_with(families, rng(0), L2Dist)
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
    let expected = vec![0; 60];
    let points = Points::new(x.view(), &expected);
    let scores = |members: &[usize]| Ok(members.iter().map(|&m| (m * 37 % 60) as f64).collect());
    let k_means = KMeans::new().with_families(4);
    for seed in 0..10 {
        let (mut one, mut two) = (rng(seed), rng(seed));
        let alone = k_means.cluster(&points, &mut one).unwrap();
        assert_eq!(alone, k_means.cluster_along(&points, Alpha::Fixed(1.0), &scores, &mut two).unwrap());
        assert_eq!(one, two, "the same random numbers are used");
        // Every model is a candidate at share 1.
        let all = k_means.clone().with_seeding(Seeding::LikelyParents { share: 1.0 });
        assert_eq!(alone, all.cluster_along(&points, Alpha::Fixed(1.0), &scores, &mut rng(seed)).unwrap());
    }
}

#[test]
fn at_alpha_0_every_centroid_is_a_model() {
    let x = normal(60, 5, 8);
    let scores = |members: &[usize]| Ok(members.iter().map(|&i| x.row(i).dot(&x.row(i))).collect());
    for seed in 0..10 {
        let run = run(&KMeans::new().with_families(4).with_restarts(1), &x, Some((0.0, &scores)), seed);
        assert!(run.converged);
        assert!(run.centroids.iter().all(|c| c.len() == 1), "seed {seed}");
    }
}

/// K for the seeds, one for each iteration whatever K, none for iterations at α = 1.
#[test]
fn one_number_is_drawn_for_each_iteration() {
    let x = normal(60, 5, 8);
    let expected = vec![0; 60];
    let points = Points::new(x.view(), &expected);
    let scores = |members: &[usize]| Ok(members.iter().map(|&i| x.row(i).dot(&x.row(i))).collect());
    for (alpha, families) in [(0.0, 2), (0.5, 4), (0.9, 7), (1.0, 7)] {
        for seed in 0..5 {
            let (mut used, mut counted) = (rng(seed), rng(seed));
            let k_means = KMeans::new().with_families(families).with_restarts(1);
            let run = k_means.divide(&points, Some((Alpha::Fixed(alpha), &scores)), &mut used).unwrap().0.unwrap();
            let draws = families + if alpha < 1.0 { run.iterations } else { 0 };
            (0..draws).for_each(|_| {
                counted.next_u64();
            });
            assert_eq!(used, counted, "α = {alpha}");
        }
    }
}

/// In one iteration either every centroid is a mean or every one is a model.
#[test]
fn the_draw_is_one_for_all_clusters() {
    let x = normal(60, 5, 8);
    let distances = distances(&x);
    let means = Means::new(&distances);
    let scores = |members: &[usize]| Ok(members.iter().map(|&i| x.row(i).dot(&x.row(i))).collect());
    let preference = Preference::new(&scores);
    let mut kinds = [0, 0];
    for seed in 0..40 {
        let lloyd = Lloyd::new(&means, CentroidRule::new(0.5, Some(&preference)), 1, 0.0);
        let run = lloyd.run(&[0, 1, 2, 3], &mut rng(seed)).unwrap();
        let models = run.centroids.iter().filter(|c| c.len() == 1).count();
        assert!(models == 0 || models == 4, "{models} of 4 centroids are models");
        kinds[usize::from(models == 4)] += 1;
    }
    assert!(kinds[0] > 5 && kinds[1] > 5, "{kinds:?}");
}

/// The reason the α rule exists, seen from above:
/// ```text
///                            s                     t
///   f . . . . . . . . . . .  A s . . . . b . . . t B t       f far child, b border child of A
///                            s                     t
/// ```
/// With its far child the mean of A's family lies far left, so b is nearer to B's mean. b is nearer to A itself than to B.
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
    let scores = |members: &[usize]| Ok(members.iter().map(|&i| f64::from(i != 0 && i != 6)).collect());
    // Seeding by squared distance draws the far child two times in three, and a restart that begins there cannot leave it.
    let k_means = KMeans::new().with_families(2).with_restarts(40);
    for seed in 0..20 {
        let means = run(&k_means, &x, Some((1.0, &scores)), seed);
        assert_eq!(means.labels[4], means.labels[6], "α = 1 loses the border child");
        assert_ne!(means.labels[4], means.labels[0], "α = 1 loses the border child");
        let parent_is_centroid = |run: &Run| run.centroids[run.labels[0]] == [0];
        assert!(!parent_is_centroid(&means));

        let members = run(&k_means, &x, Some((0.0, &scores)), seed);
        assert!(parent_is_centroid(&members), "α = 0 keeps the parent as centroid");
        for alpha in [0.0, 0.1, 0.25, 0.5] {
            let along = run(&k_means, &x, Some((alpha, &scores)), seed);
            for i in 0..x.nrows() {
                assert_eq!(along.labels[i] == along.labels[0], i < 6, "α = {alpha}, seed {seed}, model {i}");
            }
        }
    }
}

/// The fourth center lies where the third does and is nearer to no model.
#[test]
fn an_empty_cluster_restarts_at_the_farthest_model() {
    let x = array![[0.0], [1.0], [10.0], [10.0], [13.0], [-4.0]];
    let distances = distances(&x);
    let means = Means::new(&distances);
    let lloyd = Lloyd::new(&means, CentroidRule::new(1.0, None), 300, 0.0);
    let at = |seed: usize| std::rc::Rc::new(Center::of(vec![seed], &distances.squared));
    let next = lloyd.step(&[at(0), at(2), at(3)], None).unwrap();
    assert!(next.iter().all(|c| c.to_points.iter().all(|d| d.is_finite())));
    assert_eq!(members(&next), [vec![0, 1, 5], vec![2, 3, 4], vec![5]], "-4 is 3 away from -1, 13 is 2 away from 11");
    let scores = |members: &[usize]| Ok(members.iter().map(|&i| x[(i, 0)]).collect());
    let preference = Preference::new(&scores);
    let next = lloyd.step(&[at(0), at(2), at(3)], Some(&preference)).unwrap();
    assert_eq!(members(&next), [[5], [2], [1]], "1 is farthest from -4 and 10");
    let run = lloyd.run(&[0, 2, 3], &mut rng(0)).unwrap();
    assert!(run.objective.is_finite());
    assert_eq!((run.labels[2], run.labels[3]), (run.labels[3], run.labels[4]));
    assert_ne!(run.labels[0], run.labels[5]);
}

/// ```text
/// 0 1 2 . . . . . . . . 11 12 13 . . . . . . . . . . . . . . . . . . . . . . . . . 38
/// ```
/// k-means++ all but always draws 38, and from there α = 0 never leaves it; 38 is no likely parent.
#[test]
fn seeds_can_be_kept_to_likely_parents() {
    let x = array![[0.0], [1.0], [2.0], [11.0], [12.0], [13.0], [38.0]];
    let parents = [1.0, 0.0, 2.0, 1.0, 0.0, 2.0, 3.0];
    let scores = |members: &[usize]| Ok(members.iter().map(|&i| parents[i]).collect());
    let along = KMeans::new().with_families(2).with_restarts(1);
    let families = |k_means: &KMeans, seed| {
        let labels = run(k_means, &x, Some((0.0, &scores)), seed).labels;
        [0, 0, 0, 1, 1, 1, 1].iter().zip(&labels).all(|(want, &label)| (*want == 0) == (label == labels[0]))
    };
    let likely = |share| along.clone().with_seeding(Seeding::LikelyParents { share });
    // Two of seven lowest scores: the two parents.
    assert!((0..50).all(|seed| families(&likely(0.2), seed)));
    assert!((0..50).filter(|&seed| families(&along, seed)).count() < 25);
}

#[test]
fn too_few_likely_parents_are_every_model() {
    let x = array![[0.0], [0.0], [1.0], [5.0]];
    let distances = distances(&x);
    let scores = |members: &[usize]| Ok(members.iter().map(|&i| [0.0, 1.0, 2.0, 2.0][i]).collect());
    let preference = Preference::new(&scores);
    let among = |share, families| Seeding::LikelyParents { share }.candidates(&distances, families, Some(&preference));
    assert_eq!(among(0.25, 1).unwrap(), [0]);
    assert_eq!(among(0.26, 1).unwrap(), [0, 1]);
    assert_eq!(among(0.5, 2).unwrap(), [0, 1, 2, 3], "the two of lowest score are copies");
    assert_eq!(among(0.75, 2).unwrap(), [0, 1, 2, 3], "equal to the last");
    assert!(matches!(
        Seeding::LikelyParents { share: 0.5 }.candidates(&distances, 1, None),
        Err(Error::InvalidSetting { setting: "seeding", .. })
    ));
}

#[test]
fn restarts_keep_the_least_sum_of_squares() {
    let x = normal(80, 3, 21);
    let best = run(&KMeans::new().with_families(6).with_restarts(30), &x, None, 0).objective;
    let first = run(&KMeans::new().with_families(6).with_restarts(1), &x, None, 0).objective;
    assert!(best < first);
}

/// A squared shift equal to the tolerance is rest, and centroids of the same members have shifted by exactly 0.
#[test]
fn centroids_rest_at_tolerance_0_and_sooner_above() {
    let x = normal(80, 3, 21);
    let k_means = KMeans::new().with_families(6).with_restarts(1);
    for seed in 0..10 {
        let exact = run(&k_means.clone().with_tolerance(0.0), &x, None, seed);
        let rough = run(&k_means.clone().with_tolerance(0.1), &x, None, seed);
        assert!(exact.converged && rough.converged && exact.iterations < 300);
        assert!(rough.iterations < exact.iterations, "seed {seed}: {}, {}", rough.iterations, exact.iterations);
    }
    let copies = run(&k_means.clone().with_families(1), &Array2::from_elem((5, 2), 0.3), None, 0);
    assert!(copies.converged);
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
    let scores = |members: &[usize]| Ok(vec![0.0; members.len()]);
    for alpha in [-0.1, 1.1, f64::NAN] {
        let along = KMeans::new().cluster_along(&points, Alpha::Fixed(alpha), &scores, &mut rng(0));
        assert_eq!(setting(along.unwrap_err()), "alpha");
    }
    for share in [0.0, -0.5, 1.1, f64::NAN] {
        assert_eq!(setting(fails(KMeans::new().with_seeding(Seeding::LikelyParents { share }))), "seeding share");
    }
    assert_eq!(setting(fails(KMeans::new().with_seeding(Seeding::LikelyParents { share: 0.5 }))), "seeding");
    // Without scores this seeding fails before any model is read, and with them it does not.
    let likely = KMeans::new().with_seeding(Seeding::LikelyParents { share: 0.5 });
    assert_eq!(setting(ClusterDetector::new(likely.clone()).check(1, 2).unwrap_err()), "seeding");
    assert!(CentroidDetector::new(likely).check(1, 2).is_ok());
    let none = KMeans::new().with_seeding(Seeding::LikelyParents { share: 0.0 });
    assert_eq!(setting(CentroidDetector::new(none).check(1, 2).unwrap_err()), "seeding share");
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
    let result = KMeans::new().cluster_along(&points, Alpha::Fixed(0.0), &fails, &mut rng(0));
    assert!(matches!(result, Err(Error::Interrupted)));
}
