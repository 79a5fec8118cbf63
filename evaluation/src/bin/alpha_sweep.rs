//! How often `Alpha::Sweep` keeps the α that truth would have chosen, on folders of models that have a `truth.json`.
//!
//! `cargo run --release -p neural-phylogeny-evaluation --bin alpha_sweep -- FOLDER…`. Accuracy is the share of children whose parent and direction are both
//! right, its mean over ten seeds at each α; a sweep is right when no α of the grid is more accurate under the same seed.
//! The last rows add up all folders, beside what α = 0 and α = 1 throughout would have come to.

use neural_phylogeny::detect::cluster::{Alpha, Bandwidth, CentroidDetector, KMeans, MeanShift, Seeding};
use neural_phylogeny::geometry::{Geometry, GeometrySettings};
use neural_phylogeny::parent::{LogDistanceMedoid, Medoid, SmallestNorm};
use neural_phylogeny::{ParentSelector, PhylogenyDetector, evaluate};
use neural_phylogeny_evaluation::TrueSet;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::error::Error;

const SEEDS: u64 = 10;

type Detector = (&'static str, fn(Alpha) -> Box<dyn PhylogenyDetector>);

const DETECTORS: [Detector; 5] = [
    ("kmeans", |alpha| Box::new(CentroidDetector::new(KMeans::new()).with_alpha(alpha))),
    ("kmeans, 1 start", |alpha| Box::new(CentroidDetector::new(KMeans::new().with_restarts(1)).with_alpha(alpha))),
    ("kmeans, likely parents", |alpha| {
        let seeding = Seeding::LikelyParents { share: 0.2 };
        Box::new(CentroidDetector::new(KMeans::new().with_seeding(seeding)).with_alpha(alpha))
    }),
    ("mean-shift", |alpha| Box::new(CentroidDetector::new(MeanShift::new()).with_alpha(alpha))),
    ("mean-shift, quantile 0.3", |alpha| {
        Box::new(CentroidDetector::new(MeanShift::new().with_bandwidth(Bandwidth::Quantile(0.3))).with_alpha(alpha))
    }),
];

/// Cases in which a choice was as good as the best, and accuracy lost to the best, added up.
#[derive(Clone, Copy, Default)]
struct Tally {
    cases: usize,
    /// Cases in which some α is less accurate than another.
    matters: usize,
    right: [usize; 3],
    lost: [f64; 3],
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut folders: Vec<String> = std::env::args().skip(1).collect();
    if folders.is_empty() {
        folders.push("tests/data/zoo".to_owned());
    }
    let selectors: [(&str, Box<dyn ParentSelector>); 3] = [
        ("smallest norm", Box::new(SmallestNorm)),
        ("medoid", Box::new(Medoid)),
        ("log-distance", Box::new(LogDistanceMedoid)),
    ];
    let grid = Alpha::GRID.map(|a| format!("α = {a}")).join(" | ");
    println!("| set | detector | selector | {grid} | sweep | sweep best in |");
    println!("|---|---|---|{}---|---|", "---|".repeat(Alpha::GRID.len()));
    let mut tallies = [Tally::default(); DETECTORS.len()];
    for folder in &folders {
        let TrueSet { name, models, truth } = TrueSet::open(folder)?;
        let geometry = Geometry::compute(&models, &GeometrySettings::new())?;
        for ((detector, make), tally) in DETECTORS.iter().zip(&mut tallies) {
            for (selector_name, selector) in &selectors {
                let accuracy = |alpha: Alpha, seed| -> Result<f64, Box<dyn Error>> {
                    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
                    let found = make(alpha).detect(&geometry, selector.as_ref(), rng)?.with_names(models.names())?;
                    Ok(evaluate(&found, &truth)?.accuracy.share().unwrap_or(f64::NAN))
                };
                let mut means = [0.0; Alpha::GRID.len() + 1];
                let mut right = 0;
                for seed in 0..SEEDS {
                    let fixed = Alpha::GRID.iter().map(|&a| accuracy(Alpha::Fixed(a), seed));
                    let mut all = fixed.collect::<Result<Vec<f64>, _>>()?;
                    let best = all.iter().copied().fold(0.0, f64::max);
                    let worst = all.iter().copied().fold(1.0, f64::min);
                    let swept = accuracy(Alpha::Sweep, seed)?;
                    tally.cases += 1;
                    tally.matters += usize::from(worst < best);
                    for (k, choice) in [swept, all[0], all[all.len() - 1]].into_iter().enumerate() {
                        tally.right[k] += usize::from(choice >= best);
                        tally.lost[k] += f64::max(best - choice, 0.0);
                    }
                    right += usize::from(swept >= best);
                    all.push(swept);
                    means.iter_mut().zip(all).for_each(|(mean, a)| *mean += a / SEEDS as f64);
                }
                let cells = means.map(|m| format!("{m:.3}")).join(" | ");
                println!("| {name} | {detector} | {selector_name} | {cells} | {right}/{SEEDS} |");
            }
        }
    }
    println!(
        "\n| detector | cases | α matters in | sweep best in (lost) | α = 0 best in (lost) | α = 1 best in (lost) |"
    );
    println!("|---|---|---|---|---|---|");
    for ((detector, _), tally) in DETECTORS.iter().zip(tallies) {
        let cell = |k: usize| format!("{} ({:.4})", tally.right[k], tally.lost[k] / tally.cases as f64);
        let cells = [0, 1, 2].map(cell).join(" | ");
        println!("| {detector} | {} | {} | {cells} |", tally.cases, tally.matters);
    }
    Ok(())
}
