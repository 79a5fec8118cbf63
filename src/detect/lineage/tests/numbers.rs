//! Numbers of the tree as a whole, noticed by whole detections of small families.

use super::fixture::{Model, alike, noticed, of_models, of_points, point};
use crate::detect::lineage::LineageDetector;
use crate::detect::lineage::weights::Weights;
use crate::detect::{Families, PhylogenyDetector};
use crate::geometry::Geometry;
use crate::parent::SmallestNorm;
use rand::SeedableRng;

const LONGER: [f64; 2] = [1e-12, 3e-12];

fn detected(weights: &Weights, geometry: &Geometry) -> String {
    let detector = LineageDetector::new().with_families(Families::Count(1)).with_weights(*weights);
    let mut rng = rand_chacha::ChaCha8Rng::from_seed([0; 32]);
    format!("{:?}", detector.detect(geometry, &SmallestNorm, &mut rng).unwrap())
}

#[test]
fn numbers_of_trees_and_roots_are_noticed() {
    // Eleven children of near lengths: several roots are possible, and more candidates than are listed.
    let child = |i: usize| point(&[(0, 10.0), (1, 0.6), (2 + i, 1.0 + 0.02 * i as f64)]);
    let points: Vec<Vec<f64>> = std::iter::once(point(&[(0, 10.0), (1, 0.5)])).chain((0..11).map(child)).collect();
    let geometry = alike(3, &points);
    noticed("confidence", &[], |w| detected(w, &geometry));
}

#[test]
fn roots_as_likely_up_to_rounding_are_a_tie() {
    // The norms of the two differ by 3e-12, and so do the probabilities of the roots by some 1.5e-12.
    let detected =
        |w: &Weights, longer: f64| detected(w, &alike(1, &[point(&[(0, 1.0)]), point(&[(1, 1.0 + longer)])]));
    let tie = |w: &Weights, longer| detected(w, longer).contains("Ties");
    let weights = Weights::default();
    assert!(tie(&weights, 0.0) && !tie(&weights, 1e-6));
    noticed("tolerances", &["tie"], |w| format!("{} {}", tie(w, LONGER[0]), tie(w, LONGER[1])));
}

#[test]
fn hopeless_candidates_are_looked_at_no_further() {
    // Angles and distances speak against the candidate by some 17 nats, and lines that the child has from it for it.
    let root = Model::new(1);
    let parent = root.trained(2, 0..0, 1.0);
    let near = root.trained(3, 0..0, 1.0);
    let child = near.trained(4, 0..0, 1.0).with_rows_of(&parent, 0..4);
    let geometry = of_models(&[root.clone(), parent, child, near, root.trained(5, 0..0, 1.0)]);
    noticed("parents", &["hopeless"], |w| detected(w, &geometry));
}

#[test]
fn the_confidence_of_masked_merges_is_noticed() {
    let root = Model::new(1);
    let child = |seed| root.trained(seed, 0..0, 1.0);
    let (a, b) = (child(2), child(3));
    let merge = root.with_masked([&a, &b], 7);
    let geometry = of_models(&[root.clone(), a, b, merge, child(4), child(5)]);
    noticed("merges", &["masked_confidence"], |w| detected(w, &geometry));
}

#[test]
fn probe() {
    for k in [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0] {
        let e = k * 1e-12;
        let t = |w: f64| {
            let mut x = Weights::default();
            x.tolerances.tie = w;
            detected(&x, &alike(1, &[point(&[(0, 1.0)]), point(&[(1, 1.0 + e)])])).contains("Ties")
        };
        eprintln!("{k} {} {} {}", t(5e-13), t(1e-12), t(2e-12));
    }
    // negligible
    let chain = |far: f64| {
        of_points(&vec![
            vec![
                point(&[(0, 10.0)]),
                point(&[(0, 10.0), (1, far)]),
                point(&[(0, 10.0), (1, far), (2, 0.01)]),
                point(&[(0, 10.0), (3, 1.0)]),
                point(&[(0, 10.0), (4, 1.0)])
            ];
            4
        ])
    };
    for far in [0.1, 1.0, 5.0, 100.0] {
        let g = chain(far);
        let f = |n: f64| {
            let mut x = Weights::default();
            x.tolerances.negligible = n;
            detected(&x, &g)
        };
        let a = f(40.0);
        eprintln!("{far} {} {}", a == f(20.0), a == f(80.0));
        if far == 1.0 {
            eprintln!("{a}");
        }
    }
}
