//! Every detector on a geometry made from given distances: it works, or says what it misses.

use neural_phylogeny::detect::cluster::{
    CentroidDetector, ClusterDetector, Dbscan, ExpectedFamilies, GaussianMixture, KMeans, MeanShift,
};
use neural_phylogeny::detect::{Arborescence, Families, LineageDetector, NeighborJoining};
use neural_phylogeny::geometry::{Geometry, ParameterDistances};
use neural_phylogeny::parent::{LogDistanceMedoid, Medoid, NearestToInitialization, Precedence, SmallestNorm};
use neural_phylogeny::{Error, ModelId, ParentSelector, Phylogeny, PhylogenyDetector};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SIZE: usize = 400;

/// Two families of a root and three children each, in two parameters; models 0 and 4 are the roots.
fn points() -> [Vec<Vec<f64>>; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut vector = |scale: f64| -> Vec<f64> { (0..SIZE).map(|_| scale * rng.gen_range(-1.0..1.0)).collect() };
    let mut parameter = || {
        let mut points = Vec::new();
        for _ in 0..2 {
            let root = vector(1.0);
            points.push(root.clone());
            points.extend((0..3).map(|_| root.iter().zip(vector(0.2)).map(|(w, e)| w + e).collect()));
        }
        points
    };
    [parameter(), parameter()]
}

fn known() -> Result<Geometry, Error> {
    let names = ["a", "b"].into_iter().zip(points());
    Geometry::of_distances(names.map(|(name, points)| ParameterDistances::from_points(name, &points)))
}

/// The same distances, and nothing else.
fn bare() -> Result<Geometry, Error> {
    let squared = |p: &[f64], q: &[f64]| p.iter().zip(q).map(|(x, y)| (x - y).powi(2)).sum::<f64>();
    let names = ["a", "b"].into_iter().zip(points());
    Geometry::of_distances(
        names.map(|(name, p)| ParameterDistances::from_fn(name, p.len(), |a, b| squared(&p[a], &p[b]))),
    )
}

fn detectors(families: Families) -> Vec<(&'static str, Box<dyn PhylogenyDetector>)> {
    vec![
        ("lineage", Box::new(LineageDetector::new().with_families(families))),
        ("expected", Box::new(ClusterDetector::new(ExpectedFamilies).with_families(families))),
        ("k-means", Box::new(CentroidDetector::new(KMeans::new()).with_families(families))),
        ("mean-shift", Box::new(CentroidDetector::new(MeanShift::new()).with_families(families))),
        ("dbscan", Box::new(ClusterDetector::new(Dbscan::new()).with_families(families))),
        ("gmm", Box::new(ClusterDetector::new(GaussianMixture::new()).with_families(families))),
        ("neighbor-joining", Box::new(NeighborJoining::new().with_families(families))),
        ("arborescence", Box::new(Arborescence::new().with_families(families))),
    ]
}

fn detect(detector: &dyn PhylogenyDetector, geometry: &Geometry) -> Result<Phylogeny, Error> {
    detector.detect(geometry, &LogDistanceMedoid, &mut ChaCha8Rng::seed_from_u64(1))
}

#[test]
fn with_norms_and_sizes_families_are_found_and_parents_too() -> Result<(), Error> {
    let geometry = known()?;
    for (name, detector) in detectors(Families::default()) {
        match detect(detector.as_ref(), &geometry) {
            Err(Error::NotMeasured { quantity }) => assert_eq!((name, quantity.as_str()), ("arborescence", "moments")),
            found => {
                let found = found?;
                assert_eq!(found.families().len(), 2, "{name}");
                let roots: Vec<usize> = found.roots().map(ModelId::index).collect();
                assert_eq!(roots, [0, 4], "{name}");
            }
        }
    }
    Ok(())
}

#[test]
fn from_distances_alone_what_is_missing_is_said() -> Result<(), Error> {
    let geometry = bare()?;
    for (name, detector) in detectors(Families::default()) {
        let missing = match name {
            "lineage" => "norms",
            "arborescence" => "moments",
            _ => "independence",
        };
        match detect(detector.as_ref(), &geometry) {
            Err(Error::NotMeasured { quantity }) => assert_eq!(quantity, missing, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    // One family is no question of independence.
    for (name, detector) in detectors(Families::Count(1)) {
        match detect(detector.as_ref(), &geometry) {
            Err(Error::NotMeasured { quantity }) => {
                assert!(["lineage", "arborescence"].contains(&name), "{name}: {quantity}")
            }
            found => assert_eq!(found?.edges().len(), 7, "{name}"),
        }
    }
    let members: Vec<ModelId> = (0..4).map(ModelId::new).collect();
    let needs_norms: [(&dyn ParentSelector, bool); 5] = [
        (&SmallestNorm, true),
        (&NearestToInitialization, true),
        (&Medoid, false),
        (&LogDistanceMedoid, false),
        (&Precedence, false),
    ];
    for (selector, needs) in needs_norms {
        match selector.scores(&geometry, &members) {
            Err(Error::NotMeasured { .. }) => assert!(needs, "{selector:?}"),
            scores => {
                assert!(!needs, "{selector:?}");
                let scores = scores?;
                assert!(scores.iter().all(|s| s.is_finite() && scores[0] <= *s), "{selector:?}: {scores:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn the_order_of_rows_does_not_matter() -> Result<(), Error> {
    let [points, _] = points();
    let reversed: Vec<Vec<f64>> = points.iter().rev().cloned().collect();
    let last = points.len() - 1;
    let [one, two] = [&points, &reversed].map(|p| Geometry::of_distances([ParameterDistances::from_points("a", p)]));
    let (one, two) = (one?, two?);
    for (name, detector) in detectors(Families::default()).into_iter().filter(|(name, _)| *name != "arborescence") {
        let [a, b] = [detect(detector.as_ref(), &one)?, detect(detector.as_ref(), &two)?];
        for model in 0..=last {
            let parents = |p: &Phylogeny, m: usize| {
                p.parents(ModelId::new(m)).iter().map(|e| e.parent.index()).collect::<Vec<_>>()
            };
            let turned: Vec<usize> = parents(&b, last - model).into_iter().map(|p| last - p).collect();
            assert_eq!(parents(&a, model), turned, "{name}: model {model}");
        }
    }
    Ok(())
}
