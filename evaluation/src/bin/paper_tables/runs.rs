//! Every clusterer at every α from every seed.

use crate::Failure;
use crate::sets::Set;
use neural_phylogeny::detect::Families;
use neural_phylogeny::detect::cluster::{
    CentroidDetector, ClusterDetector, Dbscan, GaussianMixture, KMeans, MeanShift,
};
use neural_phylogeny::evaluate::Evaluation;
use neural_phylogeny::parent::SmallestNorm;
use neural_phylogeny::{PhylogenyDetector, evaluate};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// α of *identify along clustering*.
pub(crate) const ALONG: [f64; 6] = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9];

/// α of *identify after clustering*.
pub(crate) const AFTER: f64 = 1.0;

/// What detectors are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// The first values of one tensor, and the true number of families: the paper's code.
    OneTensor,
    /// All matrices, and the true number of families.
    Told,
    /// All matrices and nothing else: every setting on auto.
    Unattended,
}

impl Protocol {
    pub(crate) const ALL: [Self; 3] = [Self::OneTensor, Self::Told, Self::Unattended];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OneTensor => "one tensor",
            Self::Told => "told",
            Self::Unattended => "unattended",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    KMeans,
    MeanShift,
    Dbscan,
    Gmm,
}

impl Method {
    pub(crate) const ALL: [Self; 4] = [Self::KMeans, Self::MeanShift, Self::Dbscan, Self::Gmm];
    pub(crate) const WITH_CENTROIDS: [Self; 2] = [Self::KMeans, Self::MeanShift];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::KMeans => "KMeans",
            Self::MeanShift => "MeanShift",
            Self::Dbscan => "DBSCAN",
            Self::Gmm => "GMM",
        }
    }

    fn detector(self, alpha: f64, protocol: Protocol, families: usize) -> Box<dyn PhylogenyDetector> {
        let (expected, k_means) = match protocol {
            Protocol::Unattended => (Families::default(), KMeans::new()),
            // As in the authors' code: one start, at most 100 iterations.
            _ => (Families::Count(families), KMeans::new().with_restarts(1).with_max_iterations(100)),
        };
        match self {
            Self::KMeans => Box::new(CentroidDetector::new(k_means).with_alpha(alpha).with_families(expected)),
            Self::MeanShift => {
                Box::new(CentroidDetector::new(MeanShift::new()).with_alpha(alpha).with_families(expected))
            }
            Self::Dbscan => Box::new(ClusterDetector::new(Dbscan::new()).with_families(expected)),
            Self::Gmm => Box::new(ClusterDetector::new(GaussianMixture::new()).with_families(expected)),
        }
    }
}

/// One run and how right it was.
#[derive(Debug)]
pub(crate) struct Run {
    /// Position of its set.
    pub(crate) set: usize,
    pub(crate) protocol: Protocol,
    pub(crate) method: Method,
    pub(crate) alpha: f64,
    pub(crate) seed: u64,
    pub(crate) found: Evaluation,
}

/// All runs, in an order that does not depend on threads.
pub(crate) fn all(sets: &[Set], seeds: u64) -> Result<Vec<Run>, Failure> {
    let mut jobs = Vec::new();
    for set in 0..sets.len() {
        for protocol in Protocol::ALL {
            for method in Method::ALL {
                let along = if Method::WITH_CENTROIDS.contains(&method) { &ALONG[..] } else { &[] };
                for &alpha in along.iter().chain(&[AFTER]) {
                    jobs.extend((0..seeds).map(|seed| (set, protocol, method, alpha, seed)));
                }
            }
        }
    }
    let run = |&(at, protocol, method, alpha, seed): &(usize, Protocol, Method, f64, u64)| {
        let set: &Set = &sets[at];
        let (geometry, names) = match protocol {
            Protocol::OneTensor => {
                let view = &set.one_tensor[seed as usize];
                (&view.geometry, &view.names)
            }
            _ => (&set.whole, &set.names),
        };
        let detector = method.detector(alpha, protocol, set.families().len());
        let phylogeny = detector.detect(geometry, &SmallestNorm, &mut ChaCha8Rng::seed_from_u64(seed))?;
        let found = evaluate(&phylogeny.with_names(names.iter().map(String::as_str))?, &set.truth)?;
        Ok(Run { set: at, protocol, method, alpha, seed, found })
    };
    jobs.par_iter().map(run).collect::<Result<_, neural_phylogeny::Error>>().map_err(Into::into)
}
