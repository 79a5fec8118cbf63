//! The errors of this crate, with one variant for each thing that a user can fix.

mod chain;
mod shard_error;
mod source_error;

pub use chain::chain;
pub use shard_error::ShardError;
pub use source_error::SourceError;

use std::io;
use std::path::PathBuf;

/// The error of an operation on a model set, a geometry or a phylogeny.
///
/// `Display` includes the text of the cause, so one line says everything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// One model cannot be read.
    #[error("model `{model}`: {}", chain(.source.as_ref()))]
    Source {
        /// The model's name.
        model: String,
        /// What is wrong with it.
        source: Box<SourceError>,
    },
    /// A model without a name cannot be read and therefore not be sketched.
    #[error("cannot sketch the model: {}", chain(.source.as_ref()))]
    Sketching {
        /// What is wrong with it.
        source: Box<SourceError>,
    },
    /// The initialization cannot be read, or it lacks a parameter that the models share.
    #[error("the initialization does not fit the models: {}", chain(.source.as_ref()))]
    Initialization {
        /// What is wrong with it.
        source: Box<SourceError>,
    },
    /// A file or folder cannot be searched for models.
    #[error("cannot search for models: {}", chain(.source.as_ref()))]
    Discovery {
        /// What is wrong.
        source: Box<SourceError>,
    },
    /// There is no model at all.
    #[error("found no model{}: expected at least two checkpoints to compare", place(.searched))]
    NoModels {
        /// The paths searched. Empty when models were given one by one.
        searched: Vec<PathBuf>,
    },
    /// There is only one model, so there is nothing to compare it with.
    #[error("found one model, `{model}`: expected at least two to compare")]
    OneModel {
        /// Its name.
        model: String,
    },
    /// Two models have the same name.
    #[error("two models are named `{name}`: names must be unique, rename one or give the folder above both")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A model has no trained parameter, or the include and exclude patterns leave none.
    #[error(
        "model `{model}` has no parameter to compare: found {found} tensors, all of them buffers, empty or excluded"
    )]
    NoParameters {
        /// The model's name.
        model: String,
        /// How many tensors the model has.
        found: usize,
    },
    /// A setting is out of its range.
    #[error("{} is {found}, expected {expected}", setting.replace('_', " "))]
    InvalidSetting {
        /// The setting, spelled as in the name of the method that sets it, after `with_`.
        setting: &'static str,
        /// What was given.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// Values that were given as distances are not distances.
    #[error("distances of parameter `{parameter}`: found {found}, expected {expected}")]
    InvalidDistances {
        /// The parameter.
        parameter: String,
        /// What was found, and where.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A method needs a quantity that a geometry made from distances does not hold.
    #[error(
        "the geometry has no {quantity}, which this method needs: give them with the distances, or choose a method that does without"
    )]
    NotMeasured {
        /// What is missing.
        quantity: String,
    },
    /// The memory setting is below the least that the model set needs.
    #[error("memory setting is {found} bytes, {models} models need at least {expected}")]
    MemoryTooSmall {
        /// The setting in bytes.
        found: u64,
        /// The least that is enough, in bytes.
        expected: u64,
        /// How many models there are.
        models: usize,
    },
    /// Sketched models share parameters, but no parameter has the same shape in all of them.
    #[error("`{model}` and the models comparable with it hold different numbers of rows of {}, which sketches cannot compare: make larger sketches, or compare the models themselves", parameters.join(", "))]
    NotSketched {
        /// The name of one of these models.
        model: String,
        /// The parameters they share.
        parameters: Vec<String>,
    },
    /// The size of a sketch is below the least that its number of tensors needs.
    #[error("a sketch of {tensors} tensors needs at least {expected} bytes, found {found}")]
    SketchTooSmall {
        /// The setting, in bytes.
        found: u64,
        /// The least that is enough, in bytes.
        expected: u64,
        /// How many floating point tensors the model has.
        tensors: usize,
    },
    /// A store of sketches or one of its entries cannot be read.
    #[error("cannot read the store of sketches: {}", chain(.source.as_ref()))]
    Store {
        /// What is wrong.
        source: Box<SourceError>,
    },
    /// A sketch or the settings of a store cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    StoreWrite {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A store has other settings than the caller requires.
    #[error("store {} was made with {found}, expected {expected}: leave the settings out, or use another store", path.display())]
    StoreMismatch {
        /// The folder of the store.
        path: PathBuf,
        /// The settings of the store.
        found: String,
        /// The settings that the caller requires.
        expected: String,
    },
    /// The seed of a sketch is not the seed of the store.
    #[error("the sketch{} has seed {found}, expected that of the store, {expected}: sketch the model again", of(.name.as_deref()))]
    SketchSeed {
        /// The name of the model, if it has one.
        name: Option<String>,
        /// Seed of the sketch.
        found: u64,
        /// Seed of the store.
        expected: u64,
    },
    /// The store already has another sketch of that name.
    #[error(
        "the store has another model `{name}`: found {found}, expected {expected}; replace it, or rename the model"
    )]
    SketchExists {
        /// The name.
        name: String,
        /// Content hash and width of the store's entry.
        found: String,
        /// Content hash and width of the new sketch.
        expected: String,
    },
    /// Models of different groups were given where comparable ones are needed.
    #[error("models number {first} and {second} share too few parameters to be compared")]
    NotComparable {
        /// Position of one of them.
        first: usize,
        /// Position of the other.
        second: usize,
    },
    /// Threads could not be started.
    #[error("cannot start threads: {source}")]
    Threads {
        /// The error of the operating system.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The set cannot be divided into that number of families.
    #[error("found {found} families to divide into, expected {least} to {most}: {reason}")]
    FamilyCount {
        /// The number that was set.
        found: usize,
        /// The fewest possible.
        least: usize,
        /// The most possible.
        most: usize,
        /// Why the number is out of range.
        reason: &'static str,
    },
    /// A clusterer could not finish.
    #[error("{clusterer} failed on {models} models with {coordinates} coordinates: {reason}")]
    Clustering {
        /// The clusterer.
        clusterer: String,
        /// How many models were clustered.
        models: usize,
        /// How many coordinates were used.
        coordinates: usize,
        /// The reason that the clusterer gave.
        reason: String,
    },
    /// A parent selector is set, but the detector finds parents without one.
    #[error(
        "`{detector}` uses no parent selector, found `{selector}`: leave the selector out, or take another detector"
    )]
    UnusedSelector {
        /// The detector.
        detector: String,
        /// The selector.
        selector: String,
    },
    /// A detector could not finish.
    #[error("{detector} failed on {models} models: {reason}")]
    Detection {
        /// The detector.
        detector: &'static str,
        /// How many models the detector was working on.
        models: usize,
        /// What went wrong.
        reason: String,
    },
    /// A selector returned scores that cannot be used.
    #[error("parent selector {selector} gave {found}, expected one finite score for each of {expected} members")]
    InvalidScores {
        /// The selector.
        selector: String,
        /// What the selector returned.
        found: String,
        /// How many members the family has.
        expected: usize,
    },
    /// The edges do not form a phylogeny.
    #[error("invalid phylogeny: {reason}")]
    InvalidPhylogeny {
        /// What is wrong, and where.
        reason: String,
    },
    /// A matrix to decompose has values that are not finite, or the decomposition did not converge.
    #[error("cannot decompose {matrix}, {size} x {size}: {reason}")]
    Decomposition {
        /// What the matrix holds.
        matrix: &'static str,
        /// How many rows the matrix has.
        size: usize,
        /// What was found.
        reason: String,
    },
    /// No model has that name.
    #[error("no model is named `{name}`{}", nearest(.near))]
    UnknownModel {
        /// The name.
        name: String,
        /// Names of models that look like it, nearest first. At most five.
        near: Vec<String>,
    },
    /// A result and a truth cannot be compared.
    #[error("cannot evaluate: {reason}")]
    Evaluation {
        /// What does not fit.
        reason: String,
    },
    /// A phylogeny file has a form that is not supported.
    #[error("not a phylogeny: {reason}")]
    Format {
        /// What was found, and what was expected.
        reason: String,
    },
    /// A phylogeny file cannot be read, so its form is not known.
    #[error("cannot read the phylogeny file: {source}")]
    Read {
        /// The error of the operating system.
        source: io::Error,
    },
    /// Writing a result failed.
    #[error("cannot write the result: {source}")]
    Write {
        /// The error of the operating system.
        source: io::Error,
    },
    /// A checkpoint of partial sums comes from a run with other models or other settings.
    #[error("{} was left by a run with {found}, this one has {expected}: repeat that run as it was, or delete the file to begin anew", path.display())]
    ResumeFileOfAnother {
        /// The checkpoint.
        path: PathBuf,
        /// The property of the run that left it.
        found: String,
        /// The same property of this run.
        expected: String,
    },
    /// A file is no checkpoint of partial sums, or it is damaged.
    #[error("{} is no checkpoint of partial sums, or a damaged one: {reason}; delete it to begin anew, or name another file", path.display())]
    ResumeFileDamaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The operating system refused to read or write a checkpoint of partial sums.
    #[error("cannot keep partial sums in {}: {source}", path.display())]
    ResumeFileIo {
        /// The checkpoint.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The caller stopped the computation.
    #[error("interrupted")]
    Interrupted,
    /// A detector, selector or clusterer of another crate failed in its own way.
    #[error("{message}{}", cause(.source.as_deref()))]
    Other {
        /// What failed.
        message: String,
        /// Its cause, if any.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl Error {
    /// Creates an [`Error::Other`] without a cause. A plug-in reports its own failures in this way.
    ///
    /// ```
    /// use neural_phylogeny::Error;
    /// assert_eq!(Error::other("no route to the cluster").to_string(), "no route to the cluster");
    /// ```
    pub fn other(message: impl Into<String>) -> Self {
        Self::Other { message: message.into(), source: None }
    }

    /// Creates an [`Error::Other`] with its cause.
    ///
    /// ```
    /// use neural_phylogeny::Error;
    /// let cause = "x".parse::<f64>().unwrap_err();
    /// let error = Error::caused("no threshold", cause);
    /// assert_eq!(error.to_string(), "no threshold: invalid float literal");
    /// ```
    pub fn caused(message: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other { message: message.into(), source: Some(source.into()) }
    }

    /// Creates the error for a word that names no value of a setting.
    pub(crate) fn unknown_word(setting: &'static str, found: &str, expected: &'static str) -> Self {
        Self::InvalidSetting { setting, found: format!("`{found}`"), expected }
    }

    /// Creates an [`Error::Source`], which adds the model's name to what is wrong with the model.
    pub fn of_model(model: impl Into<String>, source: SourceError) -> Self {
        Self::Source { model: model.into(), source: Box::new(source) }
    }
}

/// Creates the error of a failed write, for use in `map_err`.
pub(crate) fn unwritten(source: io::Error) -> Error {
    Error::Write { source }
}

fn cause(source: Option<&(dyn std::error::Error + Send + Sync + 'static)>) -> String {
    source.map_or_else(String::new, |source| format!(": {}", chain(source)))
}

fn of(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(" of `{name}`"))
}

fn nearest(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    let names: Vec<String> = near.iter().map(|n| format!("`{n}`")).collect();
    format!(", nearest: {}", names.join(", "))
}

fn place(searched: &[PathBuf]) -> String {
    if searched.is_empty() {
        return String::new();
    }
    let paths: Vec<String> = searched.iter().map(|p| p.display().to_string()).collect();
    format!(" under {}", paths.join(", "))
}

#[cfg(test)]
mod tests;
