//! Whether a query finds what detection in the whole store finds: `cargo run --release -p neural-phylogeny-evaluation --bin query_tables -- FOLDER…`
//!
//! All models of all folders are sketched into one store, and each is asked about in turn as if it were not stored. Counts models
//! whose parents are those that `detect_phylogeny_from_sketches` gives them in the whole store, for some sizes of sketches and numbers of
//! nearest models compared.

use neural_phylogeny::config::detect_phylogeny_from_sketches;
use neural_phylogeny::query::Query;
use neural_phylogeny::sketch::{Sketch, SketchSet, SketchSettings};
use neural_phylogeny::store::SketchStore;
use neural_phylogeny::{Config, ModelSet};
use std::collections::BTreeSet;
use std::error::Error;

const SIZES: [u64; 2] = [1024, 128];
const COUNTS: [usize; 2] = [32, 8];

fn main() -> Result<(), Box<dyn Error>> {
    let mut folders: Vec<String> = std::env::args().skip(1).collect();
    if folders.is_empty() {
        folders.push("tests/data/zoo".to_owned());
    }
    println!("| sketch | models | nearest | parents as in the whole store |\n|---:|---:|---:|---:|");
    for size in SIZES {
        let folder = tempfile::tempdir()?;
        let settings = SketchSettings::new().with_size(size << 10);
        let store = SketchStore::open_or_create(folder.path().join("store"), &settings)?;
        for folder in &folders {
            let models = ModelSet::discover(folder)?;
            for id in models.ids() {
                store.add(&format!("{folder}/{}", models.name(id)), &Sketch::compute(models.source(id), &settings)?)?;
            }
        }
        let whole = detect_phylogeny_from_sketches(&SketchSet::new(store.sketches()?)?, Config::default())?;
        for count in COUNTS {
            let mut same = 0;
            for model in whole.models() {
                let name = whole.name(model);
                let answer = Query::new(&store).with_nearest(count).run(name, &store.get(name)?)?;
                let parents: BTreeSet<&str> =
                    answer.parents().iter().map(|e| answer.phylogeny.name(e.parent)).collect();
                let expected: BTreeSet<&str> = whole.parents(model).iter().map(|e| whole.name(e.parent)).collect();
                if parents == expected {
                    same += 1;
                } else {
                    eprintln!("{size} KiB, {count} nearest: {name} from {parents:?}, in the whole store {expected:?}");
                }
            }
            println!("| {size} KiB | {} | {count} | {same} |", whole.len());
        }
    }
    Ok(())
}
