use super::segments::{kept, lines, segments};
use crate::error::Error;
use crate::geometry::{Observer, Progress};
use crate::kernel::format::BASE;
use crate::source::ParameterInfo;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Settings by which a [`Sketch`](super::Sketch) is made.
///
/// Defaults: 1 MiB, seed 0, as many threads as processors, no observer.
///
/// ```
/// use neural_phylogeny::InMemory;
/// use neural_phylogeny::sketch::{Sketch, SketchSettings};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = SketchSettings::new().with_size(64 << 10).with_seed(7);
/// let model = InMemory::new().with_parameter("fc.weight", [64, 64], vec![0.5; 4096])?;
/// assert_eq!(Sketch::compute(&model, &settings)?.seed(), 7);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SketchSettings {
    pub(crate) size: u64,
    pub(crate) width: Option<usize>,
    pub(crate) seed: u64,
    pub(crate) threads: usize,
    pub(crate) observer: Option<Arc<Observer>>,
}

impl Default for SketchSettings {
    fn default() -> Self {
        Self { size: 1 << 20, width: None, seed: 0, threads: 0, observer: None }
    }
}

impl fmt::Debug for SketchSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SketchSettings")
            .field("size", &self.size)
            .field("width", &self.width)
            .field("seed", &self.seed)
            .field("threads", &self.threads)
            .field("observer", &self.observer.is_some())
            .finish()
    }
}

impl SketchSettings {
    /// The default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the size of the sketch of a model, in bytes. Default: 1 MiB.
    ///
    /// It must be at least 1 KiB for each tensor of 256 values or more. Every tensor gets the same width, the largest power of
    /// two that fits. Tensors that are no larger than that are held whole.
    pub fn with_size(mut self, bytes: u64) -> Self {
        self.size = bytes;
        self
    }

    /// Sets the number of values for each tensor, a power of two from 256 on, instead of a size.
    ///
    /// The sketch then has whatever size they need. This is for parts of a model that are sketched separately:
    /// [`width_for`](Self::width_for) gives the width of the whole model.
    pub fn with_width(mut self, width: usize) -> Self {
        self.width = Some(width);
        self
    }

    /// Sets the seed of the random map. Default: 0. Sketches of different seeds cannot be compared.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the number of threads; 0, the default, means one for each processor. The result does not depend on it.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets a function that is called now and then, from several threads, while parameters are read.
    ///
    /// If it returns [`ControlFlow::Break`], the pass ends with [`Error::Interrupted`].
    pub fn with_observer(mut self, observer: impl Fn(Progress) -> ControlFlow<()> + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// The number of values that each tensor of a model gets.
    ///
    /// # Errors
    ///
    /// [`Error::SketchTooSmall`] when the size is too small for the tensors. [`Error::InvalidSetting`] when a width was set
    /// that is not a power of two from 256 on.
    pub fn width_for(&self, parameters: &[ParameterInfo]) -> Result<usize, Error> {
        if let Some(width) = self.width {
            if !width.is_power_of_two() || width < BASE {
                let found = width.to_string();
                return Err(Error::InvalidSetting { setting: "width", found, expected: "a power of two from 256 on" });
            }
            return Ok(width);
        }
        let own = |p: &ParameterInfo, width: usize| {
            let segments = segments(p, width);
            4 * (segments.iter().map(|s| kept(s, width)).sum::<usize>() + lines(p, &segments, width)) as u64
        };
        let bytes = |width: usize| -> u64 { parameters.iter().map(|p| own(p, width)).sum() };
        let float = parameters.iter().filter(|p| p.dtype.is_float());
        let longest = float.clone().flat_map(|p| segments(p, 0)).map(|s| s.len()).max().unwrap_or(0);
        // At this width every segment is held whole, and a wider sketch would hold nothing more.
        let whole = longest.next_power_of_two().max(BASE);
        let mut width = whole;
        while bytes(width) > self.size {
            if width == BASE {
                return Err(Error::SketchTooSmall { found: self.size, expected: bytes(BASE), tensors: float.count() });
            }
            width /= 2;
        }
        Ok(width)
    }
}
