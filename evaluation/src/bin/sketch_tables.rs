//! What sketches cost and lose, against the exact geometry, on folders of models that have a `truth.json`.
//!
//! `cargo run --release -p neural-phylogeny-evaluation --bin sketch_tables -- FOLDER… [A+B]`; folders joined by `+` make one set. The first table tells, for
//! each size, how far distances between models of one true family are off, in percent and in units of the standard error that the
//! geometry states, and how many children the default detector finds with parent and direction right. The second does the same for
//! movements of a known size.

use neural_phylogeny::config::detect_phylogeny_from_sketches;
use neural_phylogeny::detect::LineageDetector;
use neural_phylogeny::evaluate::Truth;
use neural_phylogeny::geometry::{Geometry, GeometrySettings};
use neural_phylogeny::parent::Precedence;
use neural_phylogeny::sketch::{Sketch, SketchSet, SketchSettings};
use neural_phylogeny::{Config, InMemory, ModelSet, ParentSelector, PhylogenyDetector, detect_phylogeny, evaluate};
use neural_phylogeny_evaluation::TrueSet;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::error::Error;

type Failure = Box<dyn Error>;

/// Sizes asked of a sketch, in KiB; the first is the default.
const SIZES: [u64; 6] = [1024, 128, 64, 32, 16, 8];

fn main() -> Result<(), Failure> {
    let mut folders: Vec<String> = std::env::args().skip(1).collect();
    if folders.is_empty() {
        folders.push("tests/data/zoo".to_owned());
    }
    println!(
        "| set (models) | sketch | KiB kept, largest model | width | error of d², median | largest | error / stated, rms | children right | roots right |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---:|");
    for folder in &folders {
        table(folder)?;
    }
    movements()
}

fn table(folder: &str) -> Result<(), Failure> {
    let TrueSet { name, models, truth } = TrueSet::open(folder)?;
    let exact = Geometry::compute(&models, &GeometrySettings::new())?;
    let label = format!("{} ({})", name, models.len());
    let right = |phylogeny: &neural_phylogeny::Phylogeny| -> Result<String, Failure> {
        let evaluation = evaluate(phylogeny, &truth)?;
        let (children, roots) = (evaluation.accuracy, evaluation.root_families);
        Ok(format!("{}/{} | {}/{}", children.right, children.of, roots.right, roots.of))
    };
    let found = detect_phylogeny(&models, Config::default())?;
    println!("| {label} | none: the models | | | | | | {} |", right(&found)?);
    let blind = exact.clone().without_values();
    let found =
        LineageDetector::new().detect(&blind, &Precedence as &dyn ParentSelector, &mut ChaCha8Rng::seed_from_u64(0))?;
    println!("| {label} | none: no value read twice | | | | | | {} |", right(&found.with_names(models.names())?)?);
    for kib in SIZES {
        let settings = SketchSettings::new().with_size(kib << 10);
        let sketches: Result<Vec<(String, Sketch)>, neural_phylogeny::Error> = models
            .ids()
            .map(|id| Ok((models.name(id).to_owned(), Sketch::compute(models.source(id), &settings)?)))
            .collect();
        let Ok(sketches) = sketches else {
            println!("| {label} | {kib} KiB | too small for so many tensors | | | | | | |");
            continue;
        };
        let largest = sketches.iter().map(|(_, s)| s.size()).max().unwrap_or(0);
        let width = sketches.iter().map(|(_, s)| s.width()).min().unwrap_or(0);
        let set = SketchSet::new(sketches)?;
        let geometry = Geometry::of_sketches(&set, &GeometrySettings::new())?;
        let (mut relative, mut stated) = (Vec::new(), Vec::new());
        for family in found_families(&truth, &models) {
            for (i, &a) in family.iter().enumerate() {
                for &b in &family[..i] {
                    let (Some(d), Some(s)) = (exact.squared_distance(a, b), geometry.squared_distance(a, b)) else {
                        continue;
                    };
                    if d > 0.0 {
                        relative.push((s / d - 1.0).abs());
                        let error = geometry.squared_distance_error(a, b).unwrap_or(0.0);
                        stated.extend((error > 0.0).then(|| (s - d) / error));
                    }
                }
            }
        }
        relative.sort_by(f64::total_cmp);
        let rms = (stated.iter().map(|x| x * x).fold(0.0, |sum, x| sum + x) / stated.len().max(1) as f64).sqrt();
        let found = detect_phylogeny_from_sketches(&set, Config::default())?;
        let percent = |x: Option<&f64>| x.map_or_else(|| "-".to_owned(), |x| format!("{:.2} %", 100.0 * x));
        let whole = if set.is_whole() { ", all whole" } else { "" };
        println!(
            "| {label} | {kib} KiB{whole} | {} | {width} | {} | {} | {rms:.2} | {} |",
            largest.div_ceil(1024),
            percent(relative.get(relative.len() / 2)),
            percent(relative.last()),
            right(&found)?
        );
    }
    Ok(())
}

fn found_families(truth: &Truth, models: &ModelSet) -> Vec<Vec<neural_phylogeny::ModelId>> {
    let known = truth.phylogeny();
    let of =
        |f: &neural_phylogeny::phylogeny::Family| f.members.iter().filter_map(|&m| models.id(known.name(m))).collect();
    known.families().iter().map(of).collect()
}

/// One matrix of a million values and what moved it a little: relative error of the squared distance over 64 seeds.
fn movements() -> Result<(), Failure> {
    println!("\n| movement, relative | width | error of d², rms | √(2 / width) |");
    println!("|---:|---:|---:|---:|");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut noise = || -> Vec<f32> { (0..1 << 20).map(|_| rng.gen_range(-1.0f32..1.0)).collect() };
    let (parent, direction) = (noise(), noise());
    let source = |weights| InMemory::new().with_parameter("w", [1024, 1024], weights);
    let parent_source = source(parent.clone())?;
    for width in [1024, 16_384] {
        let settings = |seed| SketchSettings::new().with_width(width).with_seed(seed);
        let sketches = |source: &InMemory| {
            (0..64).map(|seed| Sketch::compute(source, &settings(seed))).collect::<Result<Vec<_>, _>>()
        };
        let of_parent = sketches(&parent_source)?;
        for movement in [1e-1f32, 1e-2, 1e-3, 1e-4, 1e-5] {
            let child: Vec<f32> = parent.iter().zip(&direction).map(|(w, e)| w + movement * e).collect();
            let squared: f64 = parent.iter().zip(&child).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
            let mut sum = 0.0;
            for (a, b) in of_parent.iter().zip(sketches(&source(child)?)?) {
                let (sketched, _) = a.squared_distance_to(&[(1.0, &b)])?;
                sum += (sketched / squared - 1.0).powi(2);
            }
            let (rms, expected) = ((sum / 64.0).sqrt(), (2.0 / width as f64).sqrt());
            println!("| {movement:e} | {width} | {:.2} % | {:.2} % |", 100.0 * rms, 100.0 * expected);
        }
    }
    Ok(())
}
