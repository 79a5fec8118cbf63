//! The conformance checks of formats, detectors and selectors: ours pass, and each way to break a contract is seen.
#![cfg(feature = "testing")]

use neural_phylogeny::bytes::ReadAt;
use neural_phylogeny::detect::cluster::{
    CentroidDetector, ClusterDetector, Dbscan, ExpectedFamilies, GaussianMixture, KMeans, MeanShift,
};
use neural_phylogeny::detect::{Arborescence, Families, Kurtosis, LineageDetector, NeighborJoining};
use neural_phylogeny::format::{Dtype, Format, Safetensors, Tensors};
use neural_phylogeny::geometry::Geometry;
use neural_phylogeny::parent::{Choice, LogDistanceMedoid, Medoid, NearestToInitialization, Precedence, SmallestNorm};
use neural_phylogeny::testing::{check_detector, check_format, check_parent_selector};
use neural_phylogeny::{Edge, Error, ModelId, ParentSelector, Phylogeny, PhylogenyDetector, SourceError};
use rand::{Rng, RngCore};
use std::sync::Arc;
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

/// One way to break the contract of a format each; the file is the number of its values, a byte, and the values.
#[derive(Debug)]
enum Lengthed {
    Right,
    Dotted,
    Unknown,
    Anything,
    Changing(AtomicUsize),
    Panicking,
    Believing,
    Shortening,
    Refusing,
}

impl Format for Lengthed {
    fn name(&self) -> &str {
        "lengthed"
    }

    fn extensions(&self) -> &[&str] {
        if matches!(self, Self::Dotted) { &[".len"] } else { &["len"] }
    }

    fn recognizes(&self, name: &str, _: &[u8]) -> bool {
        match self {
            Self::Unknown => false,
            Self::Anything => true,
            _ => name.ends_with(".len"),
        }
    }

    fn open(&self, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError> {
        let mut count = [0];
        bytes.read_at(&mut count, 0)?;
        let mut count = usize::from(count[0]);
        let mut name = "values".to_owned();
        match self {
            Self::Panicking => assert!(count < 200, "a length from a file"),
            Self::Believing => bytes.read_at(&mut vec![0; count * 4], 1)?,
            Self::Shortening => count = count.min((bytes.length() as usize - 1) / 4),
            Self::Changing(calls) => name = format!("values {}", calls.fetch_add(1, Ordering::Relaxed)),
            Self::Refusing => return Err(SourceError::Other { message: "not today".into(), source: None }),
            _ => {}
        }
        Tensors::new(bytes).with_tensor(name, [count], Dtype::F32, 1)
    }
}

#[test]
fn our_formats_pass() {
    let header = r#"{"__metadata__":{"by":"hand"},"a":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},
        "b":{"dtype":"I64","shape":[],"data_offsets":[6,14]},"c":{"dtype":"F32","shape":[0,2],"data_offsets":[14,14]}}"#;
    let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[7; 14]].concat();
    assert_eq!(check_format(&Safetensors, "model.safetensors", &file), Ok(()));
    assert_eq!(check_format(&Safetensors, "model.safetensors", b"\x02\0\0\0\0\0\0\0{}"), Ok(()));
}

#[test]
fn formats_that_break_their_contract_are_seen() {
    let cases = [
        (Lengthed::Right, ""),
        (Lengthed::Dotted, "without the dot"),
        (Lengthed::Unknown, "is not recognized by its name alone"),
        (Lengthed::Anything, "a document, `notes.md`, is recognized"),
        (Lengthed::Changing(AtomicUsize::new(0)), "other tensors the second time"),
        (Lengthed::Panicking, "panicked"),
        (Lengthed::Believing, "lengths must be checked before they are used"),
        (Lengthed::Shortening, "it was opened with other contents"),
        (Lengthed::Refusing, "the file was not opened: not today"),
    ];
    let file: Vec<u8> =
        [3u8].into_iter().chain([0.5f32, 1.5, -2.0].map(f32::to_le_bytes).into_iter().flatten()).collect();
    for (format, expected) in cases {
        match check_format(&format, "a.len", &file) {
            Ok(()) => assert_eq!(expected, "", "{format:?}"),
            Err(found) => assert!(!expected.is_empty() && found.to_string().contains(expected), "{format:?}: {found}"),
        }
    }
}
