use crate::error::Error;
use crate::source::{Entries, ParameterSource};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Which parameters make up distances, norms and coordinates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// Matrix-shaped parameters only; all parameters of models that have none. Biases and normalization scales hold little of
    /// what training did and can dominate a norm.
    #[default]
    Matrices,
    /// Every trained parameter.
    All,
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
        entries: Entries,
        /// Where its random numbers begin.
        seed: u64,
    },
    /// A stored network, with every parameter that the models share.
    Model(Arc<dyn ParameterSource>),
}

/// How far reading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Values read so far, over all models.
    pub read: u64,
    /// Values to read, as far as is known.
    pub total: u64,
}

/// Called now and then, from several threads, while parameters are read.
pub(crate) type Observer = dyn Fn(Progress) -> ControlFlow<()> + Send + Sync;

/// How a [`Geometry`](super::Geometry) is computed.
///
/// Defaults: 1 GiB of memory, as many threads as there are processors, scope matrices, initialization zero, no observer.
#[derive(Clone, Default)]
pub struct GeometrySettings {
    pub(super) memory: Memory,
    pub(super) threads: usize,
    pub(super) scope: Scope,
    pub(super) initialization: Initialization,
    pub(super) observer: Option<Arc<Observer>>,
}

/// Bytes; 1 GiB by default.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory(pub(super) u64);

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
    /// tensors; tensors are grouped when it would not fit into half of this.
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = Memory(bytes);
        self
    }

    /// Threads; 0 means one for each processor. The result does not depend on it.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Which parameters make up distances.
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// What [`NearestToInitialization`](crate::NearestToInitialization) measures from. Default: zero.
    pub fn with_initialization(mut self, initialization: Initialization) -> Self {
        self.initialization = initialization;
        self
    }

    /// Threads for whatever else is computed from the geometry.
    pub(crate) fn thread_pool(&self) -> Result<rayon::ThreadPool, Error> {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(self.threads);
        builder.build().map_err(|e| Error::Threads { source: Box::new(e) })
    }

    /// Calls `observer` now and then, from several threads, while parameters are read, and again when some are read once more
    /// ([`Geometry::pair`](super::Geometry::pair), [`Geometry::lines`](super::Geometry::lines)), where the total grows; breaking
    /// off ends whatever reads with [`Error::Interrupted`].
    pub fn with_observer(mut self, observer: impl Fn(Progress) -> ControlFlow<()> + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
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
