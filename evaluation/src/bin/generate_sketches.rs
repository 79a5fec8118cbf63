//! Fills a store with sketches of generated models, for `docs/scale.md`: families of Zipf sizes, a tenth of all models in the largest, several
//! generations deep (`benches/support/lineages.rs`), 12 matrices of 256 × 256 values each. `truth.json` goes beside the store's folder.
//!
//! `cargo run --release -p neural-phylogeny-evaluation --bin generate_sketches -- STORE MODELS [KIB [SEED]]`
//!
//! The models are drawn and sketched one family at a time and never stored: what is in the store are sketches as real models
//! would leave, of models that never were trained.

#[path = "../../../benches/support/lineages.rs"]
mod lineages;

use neural_phylogeny::sketch::{Sketch, SketchSettings};
use neural_phylogeny::store::SketchStore;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::error::Error;
use std::fs;
use std::path::Path;

const SHAPE: [usize; 2] = [256, 256];

/// Share of all models in the largest family.
const LARGEST: f64 = 0.1;

/// `LARGEST · models / rank`, and single models for the rest.
fn sizes(models: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut left = models;
    while left > 0 {
        let size = (LARGEST * models as f64 / (sizes.len() + 1) as f64) as usize;
        sizes.push(size.clamp(1, left));
        left -= sizes[sizes.len() - 1];
    }
    sizes
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, models, rest @ ..] = arguments.as_slice() else {
        println!("usage: generate_sketches STORE MODELS [KIB [SEED]]");
        return Ok(());
    };
    let number = |at: usize, default: u64| rest.get(at).map_or(Ok(default), |text: &String| text.parse());
    let (size, seed) = (number(0, 1024)? << 10, number(1, 0)?);
    let settings = SketchSettings::new().with_size(size);
    let folder = Path::new(store);
    let store = SketchStore::open_or_create(folder, &settings)?;
    // Each thread draws a family and sketches its members alone.
    let settings = store.settings().with_threads(1);
    let sizes = sizes(models.parse()?);
    let family = |f: usize| -> Result<Vec<Value>, Box<dyn Error + Send + Sync>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed << 32 | f as u64);
        let name = |member: usize| format!("f{f:04}/{member:04}");
        let mut truth = Vec::new();
        for (m, member) in lineages::members(sizes[f], SHAPE, &mut rng).iter().enumerate() {
            store.replace(&name(m), &Sketch::compute(&member.source(SHAPE), &settings)?)?;
            let parents: Vec<Value> = member.parents.iter().map(|&p| json!({ "name": name(p) })).collect();
            truth.push(json!({"name": name(m), "parents": parents}));
        }
        Ok(truth)
    };
    let truth: Vec<Vec<Value>> = (0..sizes.len()).into_par_iter().map(family).collect::<Result<_, _>>()?;
    let file = folder.with_extension("truth.json");
    let text = json!({"version": 1, "models": truth.concat()});
    fs::write(file, serde_json::to_vec_pretty(&text)?)?;
    Ok(())
}
