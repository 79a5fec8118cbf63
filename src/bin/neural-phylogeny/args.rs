use crate::addresses::Places;
use crate::detector::Clustering;
use crate::form;
use crate::geometry::GeometryOptions;
use crate::names::{self, Named};
use crate::printed::Form;
use crate::query::Query;
use bytesize::ByteSize;

use clap::{Args, Parser, Subcommand, ValueEnum};
use neural_phylogeny::write::{ContentKind, OutputFormat};
use std::path::PathBuf;

/// Which neural-network checkpoints were fine-tuned from which? Families, parents and directions, from the weights alone.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find families, parents and directions among checkpoints.
    Detect(Box<Detect>),
    /// Show why one model has the parents it has: candidates, evidence, and which parameters moved.
    Explain(Box<Explain>),
    /// Compare two models alone: are they kin, which came first, and what changed?
    Compare(Compare),
    /// Rebuild a model that is not in the set from its fine-tunes of low rank (LoRA), and write it as a checkpoint.
    Rebuild(Box<Rebuild>),
    /// Show what was found, its layouts, what can be compared with what, and what would be skipped and why.
    Inspect(Inspect),
    /// Compare a result with the truth, or with another result.
    Evaluate(Evaluate),
    /// Keep a small sketch of each model in a store. Each model is read once, and its sketch is added at once.
    Sketch(Sketch),
    /// Find what one model is derived from among those of a store, reading only the sketches of its nearest kin.
    Query(Query),
    /// List, remove and verify the sketches of a store.
    Store(Store),
}

/// Where models are and which of them count.
#[derive(Args, Debug)]
pub(crate) struct Selection {
    /// Folders or files to search: safetensors files and shards, transformers and diffusers folders, adapters, nested.
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Take only models whose name matches; may be repeated.
    #[arg(long, value_name = "GLOB")]
    pub(crate) include_models: Vec<String>,

    /// Leave out models whose name matches; may be repeated.
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude_models: Vec<String>,

    /// Part of diffusers pipelines to take [default: every part that has weights, a model of its own each].
    #[arg(long, value_name = "NAME")]
    pub(crate) part: Option<String>,

    /// Base model of the adapters that record ID, or of the adapter named ID; without ID, of those that record none or whose
    /// recorded one is not found. May be repeated.
    #[arg(long, value_name = "[ID=]PATH")]
    pub(crate) base: Vec<String>,

    /// Name the model at PATH, which is searched too; may be repeated. If PATH holds several models, NAME stands before theirs.
    #[arg(long = "name", value_name = "NAME=PATH", value_parser = names::given)]
    pub(crate) names: Vec<Named>,

    /// Search the paths in FILE too, a line each: `path`, or `name`, a tab and `path`. `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,

    /// Go on without models that cannot be read or hold NaN, and without folders that cannot be searched, and list them.
    #[arg(long)]
    pub(crate) skip_unreadable: bool,

    /// Read what lies outside the given folders too, where a link or the recorded path of a base or a shard leads there.
    #[arg(long)]
    pub(crate) allow_outside: bool,
}

/// Where models are and which of their parameters count.
#[derive(Args, Debug)]
pub(crate) struct Models {
    #[command(flatten)]
    pub(crate) selection: Selection,

    /// Compare only parameters whose name matches (`*`, `?`, `[…]`); may be repeated.
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,

    /// Leave out parameters whose name matches; may be repeated.
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,

    /// Compare only the first N values of each parameter. With one tensor included and N = 1024 this is the paper's
    /// configuration.
    #[arg(long, value_name = "N")]
    pub(crate) first_values: Option<usize>,

    /// Share of its values that a model must have in common with the others of its group, in (0, 1].
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    pub(crate) minimum_shared: f64,
}

/// How much of what stands behind addresses is read ahead.
#[derive(Args, Debug)]
pub(crate) struct Ahead {
    /// Memory for bytes that arrive from addresses before they are used.
    #[cfg(feature = "remote")]
    #[arg(long, value_name = "SIZE", default_value_t = ByteSize::mib(256))]
    memory: ByteSize,
}

impl Ahead {
    /// Returns the places where the run looks for models.
    #[cfg(feature = "remote")]
    pub(crate) fn places(&self) -> Places {
        Places::waiting(self.memory.as_u64())
    }

    /// Returns the places where the run looks for models.
    #[cfg(not(feature = "remote"))]
    pub(crate) fn places(&self) -> Places {
        Places::default()
    }
}

/// What to detect in, and how.
#[derive(Args, Debug)]
pub(crate) struct Detection {
    #[command(flatten)]
    pub(crate) models: Models,

    /// Detect among the sketches of a store; no model is read.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["paths", "names", "from", "part", "base", "first_values", "resume"])]
    pub(crate) store: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) clustering: Clustering,

    /// Which member of a family is its parent, for detectors that use a selector. Without --detector it means --detector
    /// independence [default: precedence].
    #[arg(long, value_enum)]
    pub(crate) selector: Option<Selector>,

    /// Seed of random numbers.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    #[command(flatten)]
    pub(crate) geometry: GeometryOptions,

    /// Leave out parents less sure than this, from 0 to 1. Such a child stays in its family, and its parent counts as withheld.
    /// [default: 0.5, even odds, of detectors that say how sure they are that the parent is among the models; 0 of others].
    #[arg(long, value_name = "P")]
    pub(crate) minimum_confidence: Option<f64>,

    /// Show parents below even odds too: the likeliest one of every model, however unsure.
    #[arg(long, conflicts_with = "minimum_confidence")]
    pub(crate) all_edges: bool,

    /// Give the hash of each whole model in the JSON. Every model is then read once more. A store has the hashes at hand.
    #[arg(long, conflicts_with = "store")]
    pub(crate) content: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Detect {
    #[command(flatten)]
    pub(crate) detection: Detection,

    /// Form of the result.
    #[arg(long, value_parser = form::of(ContentKind::Phylogeny), default_value = form::DEFAULT)]
    pub(crate) format: &'static dyn OutputFormat,

    /// Write the result to a file, whole or not at all, instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// Name of the model, as `detect` and `inspect` show it.
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,

    #[command(flatten)]
    pub(crate) detection: Detection,

    /// Form of the explanation.
    #[arg(long, value_parser = form::of(ContentKind::Explanation), default_value = form::DEFAULT)]
    pub(crate) format: &'static dyn OutputFormat,

    /// Write to a file, whole or not at all, instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Compare {
    /// Folder or file of one model.
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,

    /// Folder or file of another one.
    #[arg(value_name = "B")]
    pub(crate) b: PathBuf,

    /// Part of diffusers pipelines to take, where the paths hold pipelines of several parts.
    #[arg(long, value_name = "NAME")]
    pub(crate) part: Option<String>,

    /// Base model of the adapters that record ID, or of the adapter named ID; without ID, of those that record none or whose
    /// recorded one is not found. May be repeated.
    #[arg(long, value_name = "[ID=]PATH")]
    pub(crate) base: Vec<String>,

    /// Read what lies outside the given folders too, where a link or the recorded path of a base or a shard leads there.
    #[arg(long)]
    pub(crate) allow_outside: bool,

    /// Threads; 0 means one for each processor. The result does not depend on it.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,

    /// Memory for blocks of parameters, such as 512MiB or 4GiB.
    #[arg(long, value_name = "SIZE", default_value_t = ByteSize::gib(1))]
    pub(crate) memory: ByteSize,

    /// Form of the comparison.
    #[arg(long, value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,

    /// Write to a file, whole or not at all, instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Rebuild {
    /// What to rebuild: the number of a family whose root is not in the set, the name of a member, an unobserved model as `detect`
    /// shows it (`?1`), or the names of siblings, separated by commas.
    #[arg(value_name = "FAMILY")]
    pub(crate) family: String,

    #[command(flatten)]
    pub(crate) detection: Detection,

    /// Folder for `model.safetensors`. It is made when it does not exist; a file that is there is not replaced.
    #[arg(long, short, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct Inspect {
    #[command(flatten)]
    pub(crate) models: Models,

    #[command(flatten)]
    pub(crate) ahead: Ahead,

    /// List every tensor of every model, and every one that only some models of a group have.
    #[arg(long)]
    pub(crate) tensors: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Evaluate {
    /// A result, as `detect --format json` writes it.
    #[arg(value_name = "RESULT.json")]
    pub(crate) result: PathBuf,

    /// The truth, in the same form. Several files are put together.
    #[arg(required = true, value_name = "TRUTH.json")]
    pub(crate) truth: Vec<PathBuf>,

    /// Form of the evaluation.
    #[arg(long, value_enum, default_value_t = PlainFormat::Table)]
    pub(crate) format: PlainFormat,

    /// Write to a file, whole or not at all, instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Sketch {
    #[command(flatten)]
    pub(crate) selection: Selection,

    /// Folder of the store; it is made when it does not exist.
    #[arg(long, value_name = "DIR")]
    pub(crate) store: PathBuf,

    /// Bytes of each sketch, the same in a whole store [default: those of the store, 1MiB for a new one].
    #[arg(long, value_name = "SIZE")]
    pub(crate) size: Option<ByteSize>,

    /// Seed of random numbers, the same in a whole store [default: that of the store, 0 for a new one].
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Let a model replace another of the same name.
    #[arg(long)]
    pub(crate) replace: bool,

    #[command(flatten)]
    pub(crate) ahead: Ahead,

    /// Threads; 0 means one for each processor. The result does not depend on it.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
}

#[derive(Args, Debug)]
pub(crate) struct Store {
    #[command(subcommand)]
    pub(crate) action: StoreAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreAction {
    /// List the sketches of a store.
    List {
        /// Folder of the store.
        #[arg(long, value_name = "DIR")]
        store: PathBuf,

        /// Form of the list.
        #[arg(long, value_enum, default_value_t = PlainFormat::Table)]
        format: PlainFormat,
    },
    /// Remove sketches; their models are not touched.
    Remove {
        /// Names of models, as `store list` shows them.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,

        /// Folder of the store.
        #[arg(long, value_name = "DIR")]
        store: PathBuf,
    },
    /// Read every byte of a store again and list what is damaged.
    Verify {
        /// Folder of the store.
        #[arg(long, value_name = "DIR")]
        store: PathBuf,
    },
}

/// Forms of output that is no result: measures and lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlainFormat {
    /// For a person.
    Table,
    /// Every field.
    Json,
}

impl PlainFormat {
    /// How hidden characters are written in it.
    pub(crate) fn form(self) -> Form {
        match self {
            Self::Table => Form::Text,
            Self::Json => Form::Json,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Selector {
    /// Preceded by no other, by distances and angles.
    Precedence,
    /// Nearest to all others in log distance, parameter by parameter.
    LogDistanceMedoid,
    /// Nearest to all others.
    Medoid,
    /// Smallest parameter norm: the paper's rule.
    SmallestNorm,
    /// Nearest to the initialization given by --initialization.
    NearestToInitialization,
}
