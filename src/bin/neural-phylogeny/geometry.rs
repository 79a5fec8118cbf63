//! How models are read and measured: one option each, and the settings of the library that they become.

use crate::addresses::Places;
use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use neural_phylogeny::Error;
use neural_phylogeny::geometry::{self, GeometrySettings, Initialization};
use neural_phylogeny::source::EntryDistribution;
use std::path::PathBuf;
use std::time::Duration;

/// How models are read and measured.
#[derive(Args, Debug)]
pub(crate) struct GeometryOptions {
    /// What the selector nearest-to-initialization measures from: zero, uniform, normal, or the path of a model.
    #[arg(long, value_name = "KIND|PATH", default_value = "zero")]
    initialization: String,

    /// Which parameters make up distances and norms.
    #[arg(long, value_enum, default_value_t = Scope::Matrices)]
    scope: Scope,

    /// Threads; 0 means one for each processor. The result does not depend on it.
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,

    /// Memory for Gram matrices and blocks of parameters, such as 512MiB or 4GiB. With addresses, a quarter of it and at most
    /// 256MiB is for bytes that arrive ahead.
    #[arg(long, value_name = "SIZE", default_value_t = ByteSize::gib(1))]
    pub(crate) memory: ByteSize,

    /// Keep partial sums in FILE, away from the models, and go on from it after a stop. It covers only the pass over the
    /// weights: FILE is deleted once the distances are complete, and a run that is killed after that begins again.
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,

    /// Least time between two saves of FILE; 0 means after every wave of reads.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, requires = "resume")]
    resume_every: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// Parameters of at least two dimensions.
    Matrices,
    /// All trained parameters.
    All,
}

impl GeometryOptions {
    /// Makes the settings. `seed` is that of random initializations.
    pub(crate) fn settings(&self, seed: u64, places: &Places) -> Result<GeometrySettings, Error> {
        let settings = GeometrySettings::new()
            .with_threads(self.threads)
            .with_memory(self.memory.as_u64())
            .with_initialization(self.initialization(seed, places)?)
            .with_scope(match self.scope {
                Scope::Matrices => geometry::Scope::Matrices,
                Scope::All => geometry::Scope::All,
            });
        let Some(file) = &self.resume else { return Ok(settings) };
        Ok(settings.with_resume_file(file).with_resume_every(Duration::from_secs(self.resume_every)))
    }

    fn initialization(&self, seed: u64, places: &Places) -> Result<Initialization, Error> {
        Ok(match self.initialization.as_str() {
            "zero" => Initialization::Zero,
            "uniform" => Initialization::Random { entries: EntryDistribution::Uniform, seed },
            "normal" => Initialization::Random { entries: EntryDistribution::Normal, seed },
            path => {
                let model =
                    places.search().open(path).map_err(|source| Error::Initialization { source: source.into() })?;
                Initialization::Model(model.source)
            }
        })
    }
}
