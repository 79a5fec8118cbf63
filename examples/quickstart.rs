//! Who descends from whom among the checkpoints of a folder.
//!
//! `cargo run --example quickstart [FOLDER]`

use neural_phylogeny::{Config, ModelSet, detect_phylogeny};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "tests/data/zoo/mlp".to_owned());
    let models = ModelSet::discover(folder)?;
    let phylogeny = detect_phylogeny(&models, Config::default())?;
    for edge in phylogeny.edges() {
        let (parent, child) = (phylogeny.name(edge.parent), phylogeny.name(edge.child));
        let confidence = edge.confidence.unwrap_or_default();
        println!("{parent} -> {child}  {}, confidence {confidence:.2}", edge.relation);
    }
    println!("{} families", phylogeny.families().len());
    Ok(())
}
