//! What the binaries that measure share: folders of models whose parents are known, and documents that hold their tables.

pub mod document;

use neural_phylogeny::ModelSet;
use neural_phylogeny::evaluate::Truth;
use std::error::Error;
use std::fs::File;
use std::path::Path;

/// Models with their true parents, from one folder or from several that are joined.
#[derive(Debug)]
pub struct TrueSet {
    /// Last components of the folders, joined by ` + `.
    pub name: String,
    /// All models of the folders.
    pub models: ModelSet,
    /// The truth of all folders.
    pub truth: Truth,
}

impl TrueSet {
    /// Opens `A` or `A+B+…`. Each folder holds a `truth.json` beside its models.
    ///
    /// # Errors
    ///
    /// When a folder has no readable `truth.json`, or its models cannot be opened.
    pub fn open(folders: &str) -> Result<Self, Box<dyn Error>> {
        let mut builder = ModelSet::builder();
        let mut truth: Option<Truth> = None;
        for folder in folders.split('+') {
            builder = builder.with_path(folder)?;
            let next = truth_of(Path::new(folder))?;
            truth = Some(match truth {
                Some(truth) => truth.merge(next)?,
                None => next,
            });
        }
        let names: Vec<&str> = folders.split('+').map(|f| f.rsplit('/').next().unwrap_or(f)).collect();
        Ok(Self { name: names.join(" + "), models: builder.build()?, truth: truth.ok_or("no folder")? })
    }
}

fn truth_of(folder: &Path) -> Result<Truth, Box<dyn Error>> {
    let path = folder.join("truth.json");
    let file = File::open(&path).map_err(|e| format!("{}: {e}; these tables need the true parents", path.display()))?;
    Ok(Truth::read(file)?)
}
