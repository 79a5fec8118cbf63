//! The α rule from models to edges: what it is for, that it is repeatable, and what settings it takes.

use neural_phylogeny::detect::Families;
use neural_phylogeny::detect::cluster::{
    Alpha, Bandwidth, CentroidDetector, ClusterDetector, KMeans, MeanShift, Seeding,
};
use neural_phylogeny::geometry::{Geometry, GeometrySettings};
use neural_phylogeny::parent::{Choice, SmallestNorm};
use neural_phylogeny::phylogeny::Remark;
use neural_phylogeny::{Config, Error, InMemory, ModelSet, Phylogeny, PhylogenyDetector, detect_phylogeny};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

/// Two families side by side, seen from above, one far child and one at the border:
///
/// ```text
///                            s                     t
///   f . . . . . . . . . . .  A s . . . . b . . . t B t
///                            s                     t
/// ```
///
/// Each model is a matrix of 16 weights: its place (x, y), as seen from the middle between A and B, and one weight of its own,
/// which makes children larger than their parents in norm and no two of them nearer. b is nearer to A (23 against 27, squared,
/// along x) than to B; f draws the mean of A's family so far away that b is nearer to the mean of B's.
const PLACES: [(&str, f32, f32, f32); 11] = [
    ("A", -5.0, 0.0, 0.0),
    ("s1", -5.0, 1.0, 1.0),
    ("s2", -5.0, -1.0, 1.0),
    ("s3", -4.0, 0.0, 3.5),
    ("b", -0.2, 0.0, 5.05),
    ("f", -19.0, 0.0, 1.0),
    ("B", 5.0, 0.0, 0.0),
    ("t1", 5.0, 1.0, 1.0),
    ("t2", 5.0, -1.0, 1.0),
    ("t3", 6.0, 0.0, 1.0),
    ("t4", 4.0, 0.0, 3.5),
];

fn side_by_side() -> Geometry {
    let mut builder = ModelSet::builder();
    for (at, (name, x, y, own)) in PLACES.into_iter().enumerate() {
        let mut weights = vec![0.0; 16];
        (weights[0], weights[1]) = (x, y);
        weights[2 + at] = own;
        builder = builder.with_model(name, InMemory::new().with_parameter("w", [4, 4], weights).unwrap());
    }
    Geometry::compute(&builder.build().unwrap(), &GeometrySettings::new()).unwrap()
}

fn detect(geometry: &Geometry, detector: &dyn PhylogenyDetector, seed: u64) -> Phylogeny {
    let found = detector.detect(geometry, &SmallestNorm, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap();
    found.with_names(PLACES.map(|p| p.0)).unwrap()
}

fn children(phylogeny: &Phylogeny, parent: &str) -> BTreeSet<String> {
    let names =
        phylogeny.edges().iter().filter(|e| phylogeny.name(e.parent) == parent).map(|e| phylogeny.name(e.child));
    names.map(str::to_owned).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&n| n.to_owned()).collect()
}

#[test]
fn k_means_keeps_the_border_child_with_its_parent_below_alpha_1_and_loses_it_at_1() {
    let geometry = side_by_side();
    // Plain seeding draws the far child two times in three, and a restart that begins there cannot leave it.
    let k_means = KMeans::new().with_families(2).with_restarts(40);
    for seed in 0..10 {
        for alpha in [0.0, 0.1, 0.25, 0.5] {
            let along = detect(&geometry, &CentroidDetector::new(k_means.clone()).with_alpha(alpha), seed);
            assert_eq!(children(&along, "A"), set(&["b", "f", "s1", "s2", "s3"]), "α = {alpha}, seed {seed}");
            assert_eq!(children(&along, "B"), set(&["t1", "t2", "t3", "t4"]), "α = {alpha}, seed {seed}");
        }
        let after = detect(&geometry, &CentroidDetector::new(k_means.clone()), seed);
        assert_eq!(children(&after, "A"), set(&["f", "s1", "s2", "s3"]), "seed {seed}");
        assert_eq!(children(&after, "B"), set(&["b", "t1", "t2", "t3", "t4"]), "seed {seed}");
        let untouched = detect(&geometry, &ClusterDetector::new(k_means.clone()), seed);
        assert_eq!(after, untouched, "α = 1 is the clusterer untouched");
    }
}

/// No restart is needed where none begins at the far child: the two of smallest norm are A and B.
#[test]
fn k_means_that_begins_at_likely_parents_needs_no_restart() {
    let geometry = side_by_side();
    let likely = Seeding::LikelyParents { share: 2.0 / 11.0 };
    let k_means = KMeans::new().with_families(2).with_restarts(1);
    let right = |k_means: &KMeans, seed| {
        let found = detect(&geometry, &CentroidDetector::new(k_means.clone()).with_alpha(0.0), seed);
        children(&found, "A") == set(&["b", "f", "s1", "s2", "s3"])
    };
    assert!((0..30).all(|seed| right(&k_means.clone().with_seeding(likely), seed)));
    assert!((0..30).any(|seed| !right(&k_means, seed)));
}

/// Both parents see b; the window of A also sees f, but the mean of the windows around b is where neither parent is.
#[test]
fn mean_shift_keeps_families_apart_below_alpha_1_that_means_join() {
    let geometry = side_by_side();
    let mean_shift = MeanShift::new().with_bandwidth(8.0);
    let apart = |phylogeny: &Phylogeny| {
        let family = |name: &str| phylogeny.family_of(phylogeny.id(name).unwrap());
        family("A") != family("B") && family("b") == family("A")
    };
    for seed in 0..10 {
        let along = detect(&geometry, &CentroidDetector::new(mean_shift.clone()).with_alpha(0.0), seed);
        assert!(apart(&along), "seed {seed}");
    }
    assert!(!apart(&detect(&geometry, &CentroidDetector::new(mean_shift.clone()), 0)));
}

/// Three roots with two generations below each, as networks.
fn networks() -> ModelSet {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut builder = ModelSet::builder();
    let mut add = |name: String, weights: &[f32]| {
        let model = InMemory::new().with_parameter("fc.weight", [20, 30], weights.to_vec()).unwrap();
        builder = std::mem::take(&mut builder).with_model(name, model);
    };
    for root in 0..3 {
        let parent: Vec<f32> = (0..600).map(|_| rng.gen_range(-1.0..1.0)).collect();
        add(format!("{root}"), &parent);
        for child in 0..6 {
            // Some children move as far as roots are apart.
            let movement = if child == 5 { 1.2 } else { 0.3 };
            let child_weights: Vec<f32> = parent.iter().map(|w| w + rng.gen_range(-movement..movement)).collect();
            add(format!("{root}.{child}"), &child_weights);
            let grandchild: Vec<f32> = child_weights.iter().map(|w| w + rng.gen_range(-0.2..0.2)).collect();
            add(format!("{root}.{child}.0"), &grandchild);
        }
    }
    builder.build().unwrap()
}

type Make = fn() -> Box<dyn PhylogenyDetector>;

fn along() -> Vec<(&'static str, Make)> {
    vec![
        ("k-means", || Box::new(CentroidDetector::new(KMeans::new().with_restarts(2)).with_alpha(0.5))),
        ("k-means sweep", || Box::new(CentroidDetector::new(KMeans::new()).with_alpha(Alpha::Sweep))),
        ("k-means likely parents", || {
            let seeding = Seeding::LikelyParents { share: 0.3 };
            Box::new(CentroidDetector::new(KMeans::new().with_seeding(seeding)).with_alpha(0.25))
        }),
        ("mean shift", || {
            Box::new(CentroidDetector::new(MeanShift::new().with_bandwidth(Bandwidth::Quantile(0.2))).with_alpha(0.5))
        }),
        ("mean shift sweep", || Box::new(CentroidDetector::new(MeanShift::new()).with_alpha(Alpha::Sweep))),
    ]
}

#[cfg(feature = "serde")]
#[test]
fn one_seed_gives_the_same_bytes_whatever_the_number_of_threads() {
    let models = networks();
    let bytes = |detector: Make, threads, seed| {
        let config = Config::default().with_selector(SmallestNorm).with_detector(detector());
        let found = detect_phylogeny(&models, config.with_threads(threads).with_seed(seed)).unwrap();
        let mut bytes = Vec::new();
        neural_phylogeny::write::write_json(&found, &mut bytes).unwrap();
        bytes
    };
    for (name, detector) in along() {
        for seed in 0..3 {
            let one = bytes(detector, 1, seed);
            for threads in [1, 2, 5, 0] {
                assert!(one == bytes(detector, threads, seed), "{name}, {threads} threads, seed {seed}");
            }
        }
    }
}

/// Whatever the last iteration was, the parent is the selector's choice among the members that ended in the family.
#[test]
fn parents_are_chosen_among_the_final_members() {
    let models = networks();
    let geometry = Geometry::compute(&models, &GeometrySettings::new()).unwrap();
    for (name, detector) in along() {
        for seed in 0..5 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let found = detector().detect(&geometry, &SmallestNorm, &mut rng).unwrap();
            for family in found.families() {
                let choice = Choice::new(&SmallestNorm, &geometry, &family.members).unwrap();
                let best: Vec<_> = choice.best.iter().map(|&b| family.members[b]).collect();
                assert_eq!(family.roots, best, "{name}, seed {seed}");
            }
        }
    }
}

/// A sweep is the run of the α it keeps, under the same random numbers.
#[test]
fn a_sweep_is_the_run_of_the_alpha_it_keeps() {
    let geometry = Geometry::compute(&networks(), &GeometrySettings::new()).unwrap();
    let kept = |remark: &Remark| match remark {
        Remark::AlphaChosen { alpha, .. } => Some(*alpha),
        _ => None,
    };
    let mut seen = BTreeSet::new();
    let mut check = |make: &dyn Fn(Alpha) -> Box<dyn PhylogenyDetector>, families| {
        for seed in 0..10 {
            let run = |alpha| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                make(alpha).detect(&geometry, &SmallestNorm, &mut rng).unwrap()
            };
            let swept = run(Alpha::Sweep);
            let alpha = swept.remarks().iter().find_map(kept).unwrap();
            let fixed = run(Alpha::Fixed(alpha));
            assert_eq!(swept.edges(), fixed.edges(), "{families} families, α = {alpha}, seed {seed}");
            let rest: Vec<&Remark> = swept.remarks().iter().filter(|r| kept(r).is_none()).collect();
            assert_eq!(rest, fixed.remarks().iter().collect::<Vec<_>>());
            seen.insert(alpha.to_string());
        }
    };
    for count in [3, 5] {
        let families = Families::Count(count);
        let k_means = || CentroidDetector::new(KMeans::new().with_restarts(1)).with_families(families);
        check(&|alpha| Box::new(k_means().with_alpha(alpha)), count);
        let quantile = Bandwidth::Quantile(0.4);
        let mean_shift = || CentroidDetector::new(MeanShift::new().with_bandwidth(quantile)).with_families(families);
        check(&|alpha| Box::new(mean_shift().with_alpha(alpha)), count);
    }
    assert!(seen.len() > 1, "{seen:?}");
}

#[test]
fn alpha_out_of_range_is_refused_before_the_pass_and_by_the_detector() {
    let geometry = side_by_side();
    let refused = |detector: &dyn PhylogenyDetector| {
        let result = detector.detect(&geometry, &SmallestNorm, &mut ChaCha8Rng::seed_from_u64(0));
        assert!(matches!(result, Err(Error::InvalidSetting { setting: "alpha", .. })), "{result:?}");
        assert!(matches!(detector.check(1, 11), Err(Error::InvalidSetting { setting: "alpha", .. })));
    };
    for alpha in [f64::NAN, -0.1, 1.1] {
        refused(&CentroidDetector::new(KMeans::new()).with_alpha(alpha));
        refused(&CentroidDetector::new(MeanShift::new()).with_alpha(alpha));
    }
}
