use super::*;
use crate::geometry::GeometrySettings;
use crate::model_set::ModelSet;
use crate::parent::SmallestNorm;
use crate::phylogeny::FamilyId;
use crate::source::InMemory;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const SIZE: usize = 1024;

/// Values whose kurtosis rises with `k`; each change of sign is a step away that leaves kurtosis nearly as it was.
fn values(k: f32, flipped: &[usize]) -> Vec<f32> {
    let mut values: Vec<f32> = (0..SIZE).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    values[0] = k;
    flipped.iter().for_each(|&at| values[at] = -values[at]);
    values
}

fn detect(detector: &Arborescence, models: &[Vec<f32>]) -> Result<Phylogeny, Error> {
    let mut builder = ModelSet::builder();
    for (i, values) in models.iter().enumerate() {
        let source = InMemory::new().with_parameter("w", [32, 32], values.clone()).unwrap();
        builder = builder.with_model(i.to_string(), source);
    }
    let geometry = Geometry::compute(&builder.build()?, &GeometrySettings::new())?;
    detector.detect(&geometry, &SmallestNorm, &mut ChaCha8Rng::seed_from_u64(0))
}

fn edges(phylogeny: &Phylogeny) -> Vec<(usize, usize)> {
    phylogeny.edges().iter().map(|e| (e.parent.index(), e.child.index())).collect()
}

/// A chain 0 – 1 – 2 – 3 whose kurtosis falls.
fn chain() -> Vec<Vec<f32>> {
    [5.0, 4.0, 3.0, 2.0].map(|k| values(k, &[])).to_vec()
}

#[test]
fn kurtosis_roots_a_chain_at_either_end() {
    let falls = detect(&Arborescence::new(), &chain()).unwrap();
    assert_eq!(edges(&falls), [(0, 1), (1, 2), (2, 3)]);
    assert!(falls.edges().iter().all(|e| e.confidence.is_some_and(|c| c > 0.5 && c <= 1.0)));
    let rises = detect(&Arborescence::new().with_kurtosis(Kurtosis::Rises), &chain()).unwrap();
    assert_eq!(edges(&rises), [(1, 0), (2, 1), (3, 2)]);
    assert_eq!(falls.score(ModelId::new(1)).map(|s| -s), rises.score(ModelId::new(1)));
}

#[test]
fn lambda_weighs_direction_against_distance() {
    // 1 lies between 0 and 2 and has the lowest kurtosis: 2 under 1 is near and against the direction.
    let models = [values(5.0, &[]), values(4.0, &[8, 9]), values(4.5, &[8, 9, 10, 11])];
    let near = detect(&Arborescence::new().with_lambda(0.0), &models).unwrap();
    assert_eq!(edges(&near), [(0, 1), (1, 2)]);
    let directed = detect(&Arborescence::new().with_lambda(1e300), &models).unwrap();
    assert!(directed.edges().iter().all(|e| directed.score(e.parent) < directed.score(e.child)));
}

#[test]
fn permuted_copies_are_a_tie() {
    let copy: Vec<f32> = values(5.0, &[8]);
    let mut permuted = copy.clone();
    permuted.swap(0, 2);
    let phylogeny = detect(&Arborescence::new(), &[copy, permuted]).unwrap();
    assert_eq!((phylogeny.edges().len(), phylogeny.families().len()), (0, 1));
    assert_eq!(phylogeny.families()[0].roots.len(), 2);
    assert_eq!(phylogeny.margin(FamilyId::new(0)), Some(0.0));
}

#[test]
fn of_roots_at_one_cost_that_of_the_most_extreme_kurtosis_is_taken() {
    // Two children above their parent: either as root leaves one edge against the direction.
    let models = [values(3.0, &[]), values(5.0, &[8, 9]), values(4.5, &[10, 11])];
    let phylogeny = detect(&Arborescence::new().with_lambda(0.1), &models).unwrap();
    assert_eq!(phylogeny.roots().collect::<Vec<_>>(), [ModelId::new(1)]);
    assert_eq!(edges(&phylogeny), [(1, 0), (0, 2)]);
}

#[test]
fn a_lambda_out_of_range_is_refused() {
    for lambda in [-0.1, f64::NAN, f64::INFINITY] {
        let result = detect(&Arborescence::new().with_lambda(lambda), &chain());
        assert!(matches!(result, Err(Error::InvalidSetting { setting: "lambda", .. })), "{lambda}");
    }
}
