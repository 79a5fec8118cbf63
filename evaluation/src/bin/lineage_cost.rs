//! What `LineageDetector` costs from a stored geometry of a generated set, run after run, as
//! `models,family,seconds` on standard output; the phylogeny goes to a file when one is named.
//!
//! `cargo run --release -p neural-phylogeny-evaluation --bin lineage_cost -- MODELS FAMILY [RUNS] [JSON]`

#[path = "../../../benches/support/lineages.rs"]
mod lineages;

use neural_phylogeny::PhylogenyDetector;
use neural_phylogeny::detect::LineageDetector;
use neural_phylogeny::parent::SmallestNorm;
use neural_phylogeny::write::write_json;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [models, family, rest @ ..] = arguments.as_slice() else {
        println!("usage: lineage_cost MODELS FAMILY [RUNS] [JSON]");
        return Ok(());
    };
    let (models, family): (usize, usize) = (models.parse()?, family.parse()?);
    if models < 2 || family == 0 {
        return Err(
            format!("{models} models in families of {family}, expected 2 or more in families of 1 or more").into()
        );
    }
    let runs: usize = rest.first().map_or(Ok(1), |runs| runs.parse())?;
    let geometry = lineages::geometry(models, family, false);
    for run in 0..runs {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let began = Instant::now();
        let phylogeny = LineageDetector::new().detect(&geometry, &SmallestNorm, &mut rng)?;
        println!("{models},{family},{:.3}", began.elapsed().as_secs_f64());
        if let Some(path) = rest.get(1).filter(|_| run == 0) {
            write_json(&phylogeny, BufWriter::new(File::create(path)?))?;
        }
    }
    Ok(())
}
