//! Everything that can go wrong, one variant per thing a user can fix.

mod chain;
mod source_error;

pub(crate) use chain::chain;

pub use source_error::SourceError;

use std::io;
use std::path::PathBuf;

/// Why an operation on a model set, a geometry or a phylogeny failed.
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
    /// A model that was given without a name, to be sketched, cannot be read.
    #[error("cannot sketch the model: {}", chain(.source.as_ref()))]
    Sketching {
        /// What is wrong with it.
        source: Box<SourceError>,
    },
    /// The initialization cannot be read, or lacks a parameter that the models share.
    #[error("the initialization does not fit the models: {}", chain(.source.as_ref()))]
    Initialization {
        /// What is wrong with it.
        source: Box<SourceError>,
    },
    /// A place given to search for models cannot be searched.
    #[error("cannot search for models: {}", chain(.source.as_ref()))]
    Discovery {
        /// What is wrong.
        source: Box<SourceError>,
    },
    /// No model at all.
    #[error("found no model{}: expected at least two checkpoints to compare", place(.searched))]
    NoModels {
        /// The paths searched, empty when models were given one by one.
        searched: Vec<PathBuf>,
    },
    /// One model has nothing to be compared with.
    #[error("found one model, `{model}`: expected at least two to compare")]
    OneModel {
        /// Its name.
        model: String,
    },
    /// Two models of one name.
    #[error("two models are named `{name}`: names must be unique, rename one or give the folder above both")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A model without a trained parameter, or none left by the patterns.
    #[error(
        "model `{model}` has no parameter to compare: found {found} tensors, all of them buffers, empty or excluded"
    )]
    NoParameters {
        /// The model's name.
        model: String,
        /// How many tensors it has.
        found: usize,
    },
    /// A setting out of its range.
    #[error("{} is {found}, expected {expected}", setting.replace('_', " "))]
    InvalidSetting {
        /// The setting, as the method that sets it spells it after `with_`.
        setting: &'static str,
        /// What was given.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// Given distances that are none.
    #[error("distances of parameter `{parameter}`: found {found}, expected {expected}")]
    InvalidDistances {
        /// The parameter.
        parameter: String,
        /// What was found, and where.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A method needs what a geometry made from distances does not hold.
    #[error(
        "the geometry has no {quantity}, which this method needs: give them with the distances, or choose a method that does without"
    )]
    NotMeasured {
        /// What is missing.
        quantity: String,
    },
    /// The memory setting is below what the model set needs at least.
    #[error("memory setting is {found} bytes, {models} models need at least {expected}")]
    MemoryTooSmall {
        /// The setting in bytes.
        found: u64,
        /// The least that would do, in bytes.
        expected: u64,
        /// How many models there are.
        models: usize,
    },
    /// Nothing that sketched models share is held by all of them in the same shape.
    #[error("`{model}` and the models comparable with it hold different numbers of rows of {}, which sketches cannot compare: make larger sketches, or compare the models themselves", parameters.join(", "))]
    NotSketched {
        /// One of the models.
        model: String,
        /// The parameters they share.
        parameters: Vec<String>,
    },
    /// The size of a sketch is below what so many tensors need.
    #[error("a sketch of {tensors} tensors needs at least {expected} bytes, found {found}")]
    SketchTooSmall {
        /// The setting, in bytes.
        found: u64,
        /// The least that would do, in bytes.
        expected: u64,
        /// Floating point tensors of the model.
        tensors: usize,
    },
    /// A store of sketches, or one of its entries, cannot be read.
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
        /// What the operating system said.
        source: io::Error,
    },
    /// A store has settings other than those asked for.
    #[error("store {} was made with {found}, expected {expected}: leave the settings out, or use another store", path.display())]
    StoreMismatch {
        /// The folder of the store.
        path: PathBuf,
        /// Its settings.
        found: String,
        /// Those asked for.
        expected: String,
    },
    /// A sketch whose seed is not that of the store.
    #[error("the sketch{} has seed {found}, expected that of the store, {expected}: sketch the model again", of(.name.as_deref()))]
    SketchSeed {
        /// The model's name, where it has one.
        name: Option<String>,
        /// Seed of the sketch.
        found: u64,
        /// Seed of the store.
        expected: u64,
    },
    /// The store has another sketch of that name.
    #[error(
        "the store has another model `{name}`: found {found}, expected {expected}; replace it, or rename the model"
    )]
    SketchExists {
        /// The name.
        name: String,
        /// Content hash and width of the entry.
        found: String,
        /// Content hash and width of the sketch given.
        expected: String,
    },
    /// Models of different groups where comparable ones are needed.
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
        /// What the operating system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A number of families that the set cannot be divided into.
    #[error("{found} families were asked for, expected {least} to {most}: {reason}")]
    FamilyCount {
        /// The number asked for.
        found: usize,
        /// The fewest possible.
        least: usize,
        /// The most possible.
        most: usize,
        /// Why.
        reason: &'static str,
    },
    /// A clusterer could not finish.
    #[error("{clusterer} failed on {models} models with {coordinates} coordinates: {reason}")]
    Clustering {
        /// The clusterer.
        clusterer: String,
        /// Models clustered.
        models: usize,
        /// Coordinates used.
        coordinates: usize,
        /// What it said.
        reason: String,
    },
    /// A parent selector is set beside a detector that finds parents without one.
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
        /// Models it was at work on.
        models: usize,
        /// What it met.
        reason: String,
    },
    /// A selector returned scores that cannot be used.
    #[error("parent selector {selector} gave {found}, expected one finite score for each of {expected} members")]
    InvalidScores {
        /// The selector.
        selector: String,
        /// What it gave.
        found: String,
        /// Members of the family.
        expected: usize,
    },
    /// Edges that do not make a phylogeny.
    #[error("invalid phylogeny: {reason}")]
    InvalidPhylogeny {
        /// What is wrong and where.
        reason: String,
    },
    /// A decomposition met values that are not finite, or did not converge.
    #[error("cannot decompose {matrix}, {size} x {size}: {reason}")]
    Decomposition {
        /// What was decomposed.
        matrix: &'static str,
        /// Rows of the matrix.
        size: usize,
        /// What was found.
        reason: String,
    },
    /// A name that no model has.
    #[error("no model is named `{name}`{}", nearest(.near))]
    UnknownModel {
        /// The name.
        name: String,
        /// Names of models that look like it, nearest first.
        near: Vec<String>,
    },
    /// A result and a truth that cannot be compared.
    #[error("cannot evaluate: {reason}")]
    Evaluation {
        /// What does not fit.
        reason: String,
    },
    /// A phylogeny file of a form that is not read.
    #[error("not a phylogeny: {reason}")]
    Format {
        /// What was found and expected.
        reason: String,
    },
    /// Reading a phylogeny file failed before its form could be looked at.
    #[error("cannot read the phylogeny file: {source}")]
    Read {
        /// What the operating system said.
        source: io::Error,
    },
    /// Writing a result failed.
    #[error("cannot write the result: {source}")]
    Write {
        /// What the operating system said.
        source: io::Error,
    },
    /// A checkpoint of partial sums that other models or settings left.
    #[error("{} was left by a run with {found}, this one has {expected}: repeat that run as it was, or delete the file to begin anew", path.display())]
    CheckpointOfAnother {
        /// The checkpoint.
        path: PathBuf,
        /// What the run that left it had.
        found: String,
        /// What this run has.
        expected: String,
    },
    /// A file that is no checkpoint of partial sums, or no longer a whole one.
    #[error("{} is no checkpoint of partial sums, or a damaged one: {reason}; delete it to begin anew, or name another file", path.display())]
    CheckpointDamaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The operating system refused to read or write a checkpoint of partial sums.
    #[error("cannot keep partial sums in {}: {source}", path.display())]
    CheckpointIo {
        /// The checkpoint.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// An outside detector, selector or clusterer failed in its own way.
    #[error("{message}{}", cause(.source.as_deref()))]
    Other {
        /// What failed.
        message: String,
        /// Its cause, if any.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl Error {
    /// [`Error::Other`] without a cause: how a plug-in says what went wrong.
    ///
    /// ```
    /// use neural_phylogeny::Error;
    /// assert_eq!(Error::other("no route to the cluster").to_string(), "no route to the cluster");
    /// ```
    pub fn other(message: impl Into<String>) -> Self {
        Self::Other { message: message.into(), source: None }
    }

    /// [`Error::Other`] with its cause.
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

    /// A word that names no value of a setting.
    pub(crate) fn unknown_word(setting: &'static str, found: &str, expected: &'static str) -> Self {
        Self::InvalidSetting { setting, found: format!("`{found}`"), expected }
    }

    /// [`Error::Source`]: what is wrong with the model of a name.
    pub fn of_model(model: impl Into<String>, source: SourceError) -> Self {
        Self::Source { model: model.into(), source: Box::new(source) }
    }
}

/// For `map_err`: writing failed.
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
