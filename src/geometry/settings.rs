use super::progress::Progress;
use crate::error::Error;
use crate::source::{EntryDistribution, ParameterSource};
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Which parameters make up distances, norms and coordinates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Scope {
    /// Matrix-shaped parameters only; all parameters of models that have none. Biases and normalization scales hold little of
    /// what training did and can dominate a norm.
    #[default]
    Matrices,
    /// Every trained parameter.
    All,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Matrices => "matrices",
            Self::All => "all",
        })
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "matrices" => Ok(Self::Matrices),
            "all" => Ok(Self::All),
            _ => Err(Error::unknown_word("scope", text, "`matrices` or `all`")),
        }
    }
}

/// The point that parents are nearer to than their children.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Initialization {
    /// All zeros: distance to it is the norm.
    #[default]
    Zero,
    /// A random network of the models' layout, the same for all of them.
    Random {
        /// How its entries are distributed.
        entries: EntryDistribution,
        /// Where its random numbers begin.
        seed: u64,
    },
    /// A stored network, with every parameter that the models share.
    Model(Arc<dyn ParameterSource>),
}

/// Called now and then, from several threads, while parameters are read.
pub(crate) type Observer = dyn Fn(Progress) -> ControlFlow<()> + Send + Sync;

/// How a [`Geometry`](super::Geometry) is computed.
///
/// Defaults: 1 GiB of memory, as many threads as there are processors, scope matrices, initialization zero, no observer, no resume file.
#[derive(Clone, Default)]
pub struct GeometrySettings {
    pub(crate) memory: Memory,
    pub(crate) threads: usize,
    pub(crate) scope: Scope,
    pub(crate) initialization: Initialization,
    pub(crate) observer: Option<Arc<Observer>>,
    pub(crate) resume_file: Option<PathBuf>,
    pub(crate) save_every: SaveEvery,
}

/// Least time between two saves of partial sums; 30 seconds by default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SaveEvery(pub(crate) Duration);

impl Default for SaveEvery {
    fn default() -> Self {
        Self(Duration::from_secs(30))
    }
}

/// Bytes; 1 GiB by default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory(pub(crate) u64);

impl Default for Memory {
    fn default() -> Self {
        Self(1 << 30)
    }
}

impl fmt::Debug for GeometrySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeometrySettings")
            .field("memory", &self.memory.0)
            .field("threads", &self.threads)
            .field("scope", &self.scope)
            .field("initialization", &self.initialization)
            .field("observer", &self.observer.is_some())
            .field("resume_file", &self.resume_file)
            .finish()
    }
}

/// The least memory setting: below it blocks would be too short to be worth reading.
const LEAST_MEMORY: u64 = 1 << 20;

impl GeometrySettings {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes for Gram matrices and blocks of parameters, at least 1 MiB. What is kept grows with n_models² and the number of
    /// tensors; tensors are grouped when it would not fit into half of this. Reading values again takes one thread for each
    /// 32 MiB at most, and one at least.
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = Memory(bytes);
        self
    }

    /// Threads; 0 means one for each processor. At most four for each processor are started, however many are set here: more would
    /// only wait for one another. The result does not depend on it.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Which parameters make up distances.
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// What [`NearestToInitialization`](crate::parent::NearestToInitialization) measures from. Default: zero.
    pub fn with_initialization(mut self, initialization: Initialization) -> Self {
        self.initialization = initialization;
        self
    }

    /// Threads before memory is looked at.
    pub(crate) fn wanted_threads(&self) -> usize {
        capped(self.threads)
    }

    /// Bytes for Gram matrices and blocks.
    pub fn memory(&self) -> u64 {
        self.memory.0
    }

    /// Which parameters make up distances.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Threads for whatever else is computed from the geometry.
    pub(crate) fn thread_pool(&self) -> Result<rayon::ThreadPool, Error> {
        thread_pool(self.threads)
    }

    /// Calls `observer` now and then, from several threads, while parameters are read, and again when some are read once more
    /// ([`Geometry::read_pair`](super::Geometry::read_pair), [`Geometry::read_lines`](super::Geometry::read_lines)), where the
    /// total grows; breaking off ends whatever reads with [`Error::Interrupted`].
    pub fn with_observer(mut self, observer: impl Fn(Progress) -> ControlFlow<()> + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Keeps partial sums in a file: a computation that was stopped continues from it, and gives the same bytes.
    ///
    /// Saved every 30 seconds or so ([`with_resume_every`](Self::with_resume_every)), and when an observer interrupts
    /// or a model cannot be read; never half-written; deleted once the geometry is whole. About as large as the matrices kept:
    /// at most half of the [memory](Self::with_memory), plus 56 bytes for each tensor of each model. While it is written
    /// `FILE.partial` stands beside it. Two computations cannot share one. Keep it away from where models are searched for.
    ///
    /// It continues for the same models, memory, initialization and version of the file alone, whatever the threads and the scope. Models
    /// are told apart by layouts, dtypes and some values of each, so they may be renamed and shuffled (unless those values are
    /// the same in two models), but a change of a model elsewhere is *not* noticed. On a processor with other vector
    /// instructions last bits may differ.
    pub fn with_resume_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.resume_file = Some(path.into());
        self
    }

    /// Least time between two saves of the [resume file](Self::with_resume_file). Default: 30 seconds.
    ///
    /// Saves that take long are made less often: 95 % of the time at least is left for reading. Only zero, for tests, saves as
    /// often as there is something new.
    pub fn with_resume_every(mut self, least: Duration) -> Self {
        self.save_every = SaveEvery(least);
        self
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.memory.0 < LEAST_MEMORY {
            let found = format!("{} bytes", self.memory.0);
            return Err(Error::InvalidSetting { setting: "memory", found, expected: "at least 1 MiB" });
        }
        Ok(())
    }
}

/// Threads started at most for each processor.
const MOST_FOR_EACH: usize = 4;

/// So many threads; 0 means one for each processor.
fn capped(threads: usize) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, |n| n.get());
    if threads == 0 { processors } else { threads.min(MOST_FOR_EACH * processors) }
}

/// So many threads as [`capped`] allows.
pub(crate) fn thread_pool(threads: usize) -> Result<rayon::ThreadPool, Error> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(capped(threads));
    builder.build().map_err(|e| Error::Threads { source: Box::new(e) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_capped() {
        assert_eq!(capped(1), 1);
        assert!(capped(0) >= 1);
        assert_eq!(capped(1_000_000), MOST_FOR_EACH * capped(0));
    }
}
