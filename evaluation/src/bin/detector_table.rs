//! Every detector with every selector on folders of models that have a `truth.json`.
//!
//! `cargo run --release -p neural-phylogeny-evaluation --bin detector_table -- FOLDER… [A+B]`; folders joined by `+` make one set. Each row gives, for one
//! detector: whether families are exactly right, then for each selector the accuracy (children whose parent and direction are
//! both right) and in brackets the families whose roots are right.

use neural_phylogeny::detect::cluster::{
    ClusterDetector, Dbscan, ExpectedFamilies, GaussianMixture, KMeans, MeanShift,
};
use neural_phylogeny::detect::{Arborescence, Kurtosis, NeighborJoining};
use neural_phylogeny::geometry::{Geometry, GeometrySettings, Initialization};
use neural_phylogeny::parent::{LogDistanceMedoid, Medoid, NearestToInitialization, Precedence, SmallestNorm};
use neural_phylogeny::source::EntryDistribution;
use neural_phylogeny::{Clusterer, ParentSelector, PhylogenyDetector, evaluate};
use neural_phylogeny_evaluation::TrueSet;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::error::Error;

fn detector(clusterer: impl Clusterer + 'static) -> Box<dyn PhylogenyDetector> {
    Box::new(ClusterDetector::new(clusterer))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut folders: Vec<String> = std::env::args().skip(1).collect();
    if folders.is_empty() {
        folders.push("tests/data/zoo".to_owned());
    }
    let detectors = [
        ("independence", detector(ExpectedFamilies)),
        ("kmeans", detector(KMeans::new())),
        ("mean-shift", detector(MeanShift::new())),
        ("dbscan", detector(Dbscan::new())),
        ("gmm", detector(GaussianMixture::new())),
        ("arborescence, kurtosis falls", Box::new(Arborescence::new())),
        ("arborescence, kurtosis rises", Box::new(Arborescence::new().with_kurtosis(Kurtosis::Rises))),
        ("neighbor joining", Box::new(NeighborJoining::new())),
    ];
    let selectors: [(&str, Box<dyn ParentSelector>); 5] = [
        ("precedence", Box::new(Precedence)),
        ("log-distance", Box::new(LogDistanceMedoid)),
        ("medoid", Box::new(Medoid)),
        ("smallest norm", Box::new(SmallestNorm)),
        ("random init", Box::new(NearestToInitialization)),
    ];
    println!(
        "| set (models / children) | detector | families right | ARI | {} |",
        selectors.each_ref().map(|s| s.0).join(" | ")
    );
    println!("|---|---|---|---|{}", "---|".repeat(selectors.len()));
    for folder in &folders {
        table(folder, &detectors, &selectors)?;
    }
    Ok(())
}

type Named<T> = (&'static str, Box<T>);

fn table(
    folder: &str,
    detectors: &[Named<dyn PhylogenyDetector>],
    selectors: &[Named<dyn ParentSelector>],
) -> Result<(), Box<dyn Error>> {
    let TrueSet { name, models, truth } = TrueSet::open(folder)?;
    let initialization = Initialization::Random { entries: EntryDistribution::Uniform, seed: 0 };
    let geometry = Geometry::compute(&models, &GeometrySettings::new().with_initialization(initialization))?;
    for (detector_name, detector) in detectors {
        let mut cells = Vec::new();
        let mut families = None;
        let mut children = 0;
        for (_, selector) in selectors {
            let mut rng = ChaCha8Rng::seed_from_u64(0);
            let phylogeny = detector.detect(&geometry, selector.as_ref(), &mut rng)?.with_names(models.names())?;
            let found = evaluate(&phylogeny, &truth)?;
            children = found.accuracy.of;
            let share = found.accuracy.share().unwrap_or(f64::NAN);
            cells.push(format!("{share:.2} ({}/{})", found.root_families.right, found.root_families.of));
            families = Some(found.families);
        }
        let agreement = families.ok_or("no selector")?;
        println!(
            "| {} ({} / {children}) | {detector_name} | {}/{} | {:.3} | {} |",
            name,
            models.len(),
            agreement.exact.right,
            agreement.exact.of,
            agreement.adjusted_rand.unwrap_or(f64::NAN),
            cells.join(" | ")
        );
    }
    Ok(())
}
