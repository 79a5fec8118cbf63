use super::progress::Progress;
use crate::error::Error;
use crate::source::{EntryDistribution, ParameterSource};
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// The choice of the parameters that distances, norms and coordinates cover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Scope {
    /// Matrix-shaped parameters only, or all parameters if the models have no common matrix. Biases and normalization scales
    /// show little of the training and can dominate a norm.
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

/// The assumed starting point of training. Parents are nearer to it than their children.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Initialization {
    /// All zeros. The distance to it is the norm.
    #[default]
    Zero,
    /// A random network of the models' layout, the same for all of them.
    Random {
        /// How its entries are distributed.
        entries: EntryDistribution,
        /// The seed of its random numbers.
        seed: u64,
    },
    /// A stored network, with every parameter that the models share.
    Model(Arc<dyn ParameterSource>),
}

/// An observer of progress. It is called now and then, from several threads, while parameters are read.
pub(crate) type Observer = dyn Fn(Progress) -> ControlFlow<()> + Send + Sync;

/// The settings of the computation of a [`Geometry`](super::Geometry).
///
/// The defaults are 1 GiB of memory, one thread for each processor, scope matrices, initialization zero, no observer and no
/// resume file.
///
/// ```
/// use neural_phylogeny::Config;
/// use neural_phylogeny::geometry::{GeometrySettings, Scope};
/// let settings = GeometrySettings::new().with_memory(4 << 30).with_scope(Scope::All);
/// assert_eq!((settings.memory(), settings.scope()), (4 << 30, Scope::All));
/// let config = Config::new().with_geometry(settings);
/// ```
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

/// The least time between two saves of partial sums. Default: 30 seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SaveEvery(pub(crate) Duration);

impl Default for SaveEvery {
    fn default() -> Self {
        Self(Duration::from_secs(30))
    }
}

/// A memory setting in bytes. Default: 1 GiB.
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

/// The least memory setting, in bytes: 1 MiB. With less, blocks would be too short to be worth reading.
const LEAST_MEMORY: u64 = 1 << 20;

impl GeometrySettings {
    /// Creates the default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the bytes for Gram matrices and blocks of parameters, at least 1 MiB. Default: 1 GiB.
    ///
    /// The kept matrices grow with n_models² and the number of tensors. Tensors share matrices when these would not fit into
    /// half of this memory. Reading values again uses at most one thread for each 32 MiB, and at least one
    /// thread; it holds a quarter of this memory of values side by side, and a quarter of sums, but never less than 8 MiB and the sums
    /// of 8 models.
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = Memory(bytes);
        self
    }

    /// Sets the number of threads. Default: 0, which means one for each processor.
    ///
    /// At most four for each processor are started, whatever is set here, because more would only wait for one another. The
    /// result does not depend on the number.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets which parameters make up distances. Default: matrices.
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Sets the point from which [`NearestToInitialization`](crate::parent::NearestToInitialization) measures. Default: zero.
    pub fn with_initialization(mut self, initialization: Initialization) -> Self {
        self.initialization = initialization;
        self
    }

    /// Returns the number of threads before the memory setting limits it.
    pub(crate) fn wanted_threads(&self) -> usize {
        capped(self.threads)
    }

    /// Returns the bytes for Gram matrices and blocks.
    pub fn memory(&self) -> u64 {
        self.memory.0
    }

    /// Returns which parameters make up distances.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Starts the threads for other computations on the geometry.
    pub(crate) fn thread_pool(&self) -> Result<rayon::ThreadPool, Error> {
        thread_pool(self.threads)
    }

    /// Sets an observer, which is called now and then, from several threads, while parameters are read. Default: none.
    ///
    /// It is also called when [`Geometry::read_pair`](super::Geometry::read_pair) and
    /// [`Geometry::read_lines`](super::Geometry::read_lines) read values again; the total then grows. When it returns
    /// [`ControlFlow::Break`], the reading ends with [`Error::Interrupted`].
    pub fn with_observer(mut self, observer: impl Fn(Progress) -> ControlFlow<()> + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Sets a file that keeps partial sums. A computation that was stopped continues from it and gives the same bytes. Default:
    /// none.
    ///
    /// It is saved about every 30 seconds ([`with_resume_every`](Self::with_resume_every)). It is also saved when an observer
    /// interrupts, or when a model cannot be read. It is never half-written, and it is deleted once the geometry is complete.
    ///
    /// It is about as large as the kept matrices: at most half of the [memory](Self::with_memory), plus 56 bytes for each
    /// tensor of each model. While it is written, a hidden file `.FILE-….partial` stands beside it. Two computations cannot share
    /// one file. Do not put it into a folder that is searched for models.
    ///
    /// A disk that is full or fails does not end the pass, which then goes on without the file ([`Geometry::unkept`]). Only a path
    /// that cannot be written at all is an error, before the pass.
    ///
    /// [`Geometry::unkept`]: super::Geometry::unkept
    ///
    /// A computation can continue only with the same models, memory, initialization and version of the file. Threads and scope
    /// may change. Models are recognized by layouts, dtypes and some values of each. They may be renamed and shuffled, unless
    /// those values are the same in two models. A change of a model's other values is *not* noticed. On a processor with other
    /// vector instructions, last bits may differ.
    pub fn with_resume_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.resume_file = Some(path.into());
        self
    }

    /// Sets the least time between two saves of the [resume file](Self::with_resume_file). Default: 30 seconds.
    ///
    /// Saves that take long are made less often, so that at least 95 % of the time is left for reading. Only zero, which is for
    /// tests, saves as often as there is something new.
    pub fn with_resume_every(mut self, least: Duration) -> Self {
        self.save_every = SaveEvery(least);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] for less than 1 MiB of memory.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.memory.0 < LEAST_MEMORY {
            let found = format!("{} bytes", self.memory.0);
            return Err(Error::InvalidSetting { setting: "memory", found, expected: "at least 1 MiB" });
        }
        Ok(())
    }
}

/// Most threads that are started for each processor.
const MOST_FOR_EACH: usize = 4;

/// Limits a number of threads. 0 means one for each processor.
fn capped(threads: usize) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, |n| n.get());
    if threads == 0 { processors } else { threads.min(MOST_FOR_EACH * processors) }
}

/// Starts as many threads as [`capped`] allows.
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
