//! The conformance checks of detectors and selectors: ours pass, and each way to break a contract is seen.
#![cfg(feature = "testing")]

use neural_phylogeny::testing::{check_detector, check_parent_selector};
use neural_phylogeny::{
    Arborescence, CentroidDetector, Choice, ClusterDetector, Dbscan, Edge, Error, ExpectedFamilies, Families,
    GaussianMixture, Geometry, KMeans, Kurtosis, LineageDetector, LogDistanceMedoid, MeanShift, Medoid, ModelId,
    NearestToInitialization, NeighborJoining, ParentSelector, Phylogeny, PhylogenyDetector, Precedence, SmallestNorm,
};
use rand::{Rng, RngCore};
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn our_selectors_pass() {
    let ours: [&dyn ParentSelector; 5] =
        [&Precedence, &SmallestNorm, &Medoid, &LogDistanceMedoid, &NearestToInitialization];
    for selector in ours {
        assert_eq!(check_parent_selector(selector), Ok(()), "{selector:?}");
    }
}

#[test]
fn our_detectors_pass() {
    let ours: [&dyn PhylogenyDetector; 17] = [
        &ClusterDetector::new(ExpectedFamilies),
        &ClusterDetector::new(ExpectedFamilies).with_families(Families::Count(2)),
        &ClusterDetector::new(KMeans::new()),
        &ClusterDetector::new(KMeans::new().with_families(2)),
        &ClusterDetector::new(KMeans::new()).with_families(Families::Count(3)),
        &ClusterDetector::new(MeanShift::new()),
        &ClusterDetector::new(Dbscan::new()),
        &ClusterDetector::new(GaussianMixture::new()),
        &CentroidDetector::new(KMeans::new()).with_alpha(0.5),
        &CentroidDetector::new(MeanShift::new()).with_alpha(0.5),
        &LineageDetector::new(),
        &LineageDetector::new().with_families(Families::Count(3)),
        &Arborescence::new(),
        &Arborescence::new().with_kurtosis(Kurtosis::Rises).with_lambda(2.0),
        &Arborescence::new().with_lambda(0.0).with_families(Families::Count(3)),
        &NeighborJoining::new(),
        &NeighborJoining::new().with_families(Families::Count(3)),
    ];
    for detector in ours {
        assert_eq!(check_detector(detector), Ok(()), "{detector:?}");
    }
}

/// One way to break the contract of a selector each.
#[derive(Debug)]
enum Scores {
    Place,
    Number,
    NotANumber,
    Short,
    Changing(AtomicUsize),
    Panic,
    Failing,
}

impl ParentSelector for Scores {
    fn scores(&self, geometry: &Geometry, members: &[ModelId]) -> Result<Vec<f64>, Error> {
        let n = members.len();
        Ok(match self {
            Self::Place => (0..n).map(|i| i as f64).collect(),
            Self::Number => members.iter().map(|m| m.index() as f64).collect(),
            // The distance of a model to itself divides by zero.
            Self::NotANumber => {
                members.iter().map(|&m| geometry.distance(m, m).map_or(0.0, |d| d / geometry.norm(m) / d)).collect()
            }
            Self::Short => vec![0.0; n - 1],
            Self::Changing(calls) => vec![calls.fetch_add(1, Ordering::Relaxed) as f64; n],
            // A family of one has no second member.
            Self::Panic => vec![0.0 * members[1].index() as f64; n],
            Self::Failing => return Err(Error::Interrupted),
        })
    }
}

#[test]
fn each_broken_selector_is_seen() {
    let said = |broken: Scores| check_parent_selector(&broken).unwrap_err().to_string();
    assert!(said(Scores::Place).contains("another order of the members"));
    assert!(said(Scores::Number).contains("another order of the models"));
    assert!(said(Scores::NotANumber).contains("found the score NaN, expected finite ones"));
    assert!(said(Scores::Short).contains("found 5 scores, expected one for each of 6 members"));
    assert!(said(Scores::Changing(AtomicUsize::new(0))).contains("the same members scored twice"));
    assert!(said(Scores::Panic).contains("1 of 6 models: found a panic"));
    assert!(said(Scores::Failing).contains("every family: found an error, the last `"));
}

/// One way to break the contract of a detector each.
#[derive(Debug)]
enum Detects {
    OneFamily,
    Fewer,
    FirstIsParent,
    TiesByNumber,
    OrderOfNumbers,
    Counting(AtomicUsize),
    OwnRandomNumbers,
    Panic,
    Failing,
}

/// Every later model of a group becomes a child of the first.
fn stars<'a>(groups: impl IntoIterator<Item = &'a [ModelId]>) -> Vec<Edge> {
    groups.into_iter().flat_map(|g| g[1..].iter().map(|&child| Edge::new(g[0], child))).collect()
}

impl PhylogenyDetector for Detects {
    fn detect(
        &self,
        geometry: &Geometry,
        selector: &dyn ParentSelector,
        rng: &mut dyn RngCore,
    ) -> Result<Phylogeny, Error> {
        let n = geometry.len();
        let all: Vec<ModelId> = geometry.models().to_vec();
        match self {
            Self::OneFamily => Phylogeny::from_edges(n, stars([all.as_slice()])),
            Self::Fewer => Phylogeny::from_edges(n - 1, Vec::new()),
            Self::FirstIsParent => {
                let mut groups: Vec<Vec<ModelId>> = geometry.groups().map(<[ModelId]>::to_vec).collect();
                groups.iter_mut().for_each(|g| g.sort_unstable());
                Phylogeny::from_edges(n, stars(groups.iter().map(Vec::as_slice)))
            }
            Self::TiesByNumber => {
                let mut edges = Vec::new();
                for group in geometry.groups() {
                    let best = Choice::new(selector, geometry, group)?.best;
                    let parent = best.iter().map(|&b| group[b]).min().unwrap_or(group[0]);
                    edges.extend(group.iter().filter(|&&m| m != parent).map(|&m| Edge::new(parent, m)));
                }
                Phylogeny::from_edges(n, edges)
            }
            Self::OrderOfNumbers => {
                // Random numbers drawn in the order of ids, not of content.
                let coins: Vec<bool> = (0..n).map(|_| rng.r#gen()).collect();
                let heads = |g: &&[ModelId]| g.iter().copied().filter(|m| coins[m.index()]).collect::<Vec<_>>();
                let groups: Vec<Vec<ModelId>> = geometry.groups().map(|g| heads(&g)).collect();
                Phylogeny::from_edges(n, stars(groups.iter().map(Vec::as_slice).filter(|g| !g.is_empty())))
            }
            Self::Counting(calls) => {
                let odd = calls.fetch_add(1, Ordering::Relaxed) % 2 == 1;
                Phylogeny::from_edges(n, if odd { stars(geometry.groups()) } else { Vec::new() })
            }
            Self::OwnRandomNumbers => {
                let confidence = rand::thread_rng().r#gen();
                let edges = stars(geometry.groups()).into_iter().map(|e| e.with_confidence(confidence));
                Phylogeny::from_edges(n, edges.collect())
            }
            Self::Panic => Phylogeny::from_edges(n, vec![Edge::new(all[0], all[2])]),
            Self::Failing => Err(Error::Interrupted),
        }
    }
}

#[test]
fn each_broken_detector_is_seen() {
    let said = |broken: Detects| check_detector(&broken).unwrap_err().to_string();
    assert!(
        said(Detects::OneFamily).contains("in one family, expected models that cannot be compared in families apart")
    );
    assert!(said(Detects::Fewer).contains("found 5 models, expected all 6"));
    assert!(said(Detects::FirstIsParent).contains("found edges"));
    let ties = said(Detects::TiesByNumber);
    assert!(
        ties.contains("Medoid: found edges") && ties.ends_with("the same in another order of the models"),
        "{ties}"
    );
    assert!(said(Detects::OrderOfNumbers).contains("expected the same in another order of the models"));
    assert!(
        said(Detects::Counting(AtomicUsize::new(0))).contains("the same from two runs with the same random numbers")
    );
    assert!(said(Detects::OwnRandomNumbers).contains("the same from two runs with the same random numbers"));
    let panicked = said(Detects::Panic);
    assert!(
        panicked.contains("two models, SmallestNorm: found a panic") || panicked.contains("in one family"),
        "{panicked}"
    );
    assert!(said(Detects::Failing).contains("every set: found an error, the last `"));
}
