//! Numbers of the tree as a whole, noticed by whole detections of small families.

use super::fixture::{Model, alike, noticed, of_models, point};
use crate::detect::lineage::LineageDetector;
use crate::detect::lineage::weights::Weights;
use crate::detect::{Families, PhylogenyDetector};
use crate::geometry::Geometry;
use crate::parent::SmallestNorm;
use rand::SeedableRng;

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
