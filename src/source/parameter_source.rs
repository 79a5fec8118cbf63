use crate::error::SourceError;
use crate::format::ParameterInfo;
use std::fmt;
use std::sync::Arc;

/// One trained network, read in chunks.
///
/// # Contract
///
/// - [`parameters`](Self::parameters) lists every tensor once, sorted by name, and always the same.
/// - [`read`](Self::read) fills `out` with elements `offset .. offset + out.len()` of the tensor in row-major order,
///   widened to f32. One embedding matrix may hold 10⁹ values: never load more than was asked for.
/// - A name that is not listed is [`SourceError::UnknownParameter`], a range beyond the end [`SourceError::OutOfRange`].
/// - NaN and infinity are passed on as they are; the caller refuses them with the element's index.
/// - Calls come from several threads at once.
/// - [`read_bytes`](Self::read_bytes) may be left out: then the stored bytes are not at hand. A source that has it gives the bytes
///   that `read` widens, for every tensor or for some.
/// - [`prefetch`](Self::prefetch) may be left out, and changes nothing of what is read.
/// - Errors say which file and which tensor, what was found and what was expected; the model's name is added by the caller.
///
/// `testing::check_parameter_source` (feature `testing`) checks an implementation.
///
/// ```
/// use neural_phylogeny::{ParameterSource, SourceError};
/// use neural_phylogeny::format::{Dtype, ParameterInfo, check_range};
///
/// /// One vector that counts: 0, 1, 2, …
/// #[derive(Debug)]
/// struct Ramp(usize);
///
/// impl ParameterSource for Ramp {
///     fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
///         Ok(vec![ParameterInfo::new("ramp", [self.0], Dtype::F32)])
///     }
///
///     fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
///         if name != "ramp" {
///             return Err(SourceError::UnknownParameter { parameter: name.to_owned() });
///         }
///         check_range(name, self.0, offset, out.len())?;
///         out.iter_mut().zip(offset..).for_each(|(value, at)| *value = at as f32);
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut values = [0.0; 2];
/// Ramp(10).read("ramp", 8, &mut values)?;
/// assert_eq!(values, [8.0, 9.0]);
/// # Ok(())
/// # }
/// ```
pub trait ParameterSource: Send + Sync + fmt::Debug {
    /// Every tensor of the model, sorted by name.
    ///
    /// # Errors
    ///
    /// When the model cannot be read at all.
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError>;

    /// Fills `out` with a row-major run of one tensor, beginning at element `offset`.
    ///
    /// # Errors
    ///
    /// When there is no such tensor or range, or reading fails.
    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError>;

    /// Fills `out` with bytes of one tensor as they are stored, beginning at byte `offset` of it: `dtype.size()` bytes for each
    /// element, little-endian, row-major. For integers that f32 would round, and packed ones. Default: not at hand.
    ///
    /// # Errors
    ///
    /// [`SourceError::NoBytes`] when the stored bytes are not at hand; else as [`read`](Self::read).
    fn read_bytes(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<(), SourceError> {
        let _ = (offset, out);
        Err(SourceError::NoBytes { parameter: name.to_owned() })
    }

    /// Announces that elements `offset .. offset + length` of a tensor are going to be read soon, from some thread.
    ///
    /// A hint, which has no result and must not wait: a source that can load data in the background begins to. Does nothing unless
    /// it is implemented, and nothing of what does not exist.
    fn prefetch(&self, name: &str, offset: usize, length: usize) {
        let _ = (name, offset, length);
    }
}

/// What points to a source is that source: every method is passed on.
macro_rules! passed_on {
    ($($pointer:ty),*) => {$(
        impl<S: ParameterSource + ?Sized> ParameterSource for $pointer {
            fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
                (**self).parameters()
            }

            fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
                (**self).read(name, offset, out)
            }

            fn read_bytes(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<(), SourceError> {
                (**self).read_bytes(name, offset, out)
            }

            fn prefetch(&self, name: &str, offset: usize, length: usize) {
                (**self).prefetch(name, offset, length);
            }
        }
    )*};
}

passed_on!(&S, Box<S>, Arc<S>);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts the calls of each method.
    #[derive(Debug, Default)]
    struct Calls([AtomicUsize; 4]);

    impl Calls {
        fn note(&self, method: usize) {
            self.0[method].fetch_add(1, Ordering::Relaxed);
        }
    }

    impl ParameterSource for Calls {
        fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
            self.note(0);
            Ok(Vec::new())
        }

        fn read(&self, _: &str, _: usize, _: &mut [f32]) -> Result<(), SourceError> {
            self.note(1);
            Ok(())
        }

        fn read_bytes(&self, _: &str, _: usize, _: &mut [u8]) -> Result<(), SourceError> {
            self.note(2);
            Ok(())
        }

        fn prefetch(&self, _: &str, _: usize, _: usize) {
            self.note(3);
        }
    }

    #[test]
    fn pointers_pass_every_method_on() -> Result<(), SourceError> {
        fn call(source: impl ParameterSource) -> Result<(), SourceError> {
            source.parameters()?;
            source.read("", 0, &mut [])?;
            source.read_bytes("", 0, &mut [])?;
            source.prefetch("", 0, 0);
            Ok(())
        }
        let calls = Arc::new(Calls::default());
        call(&*calls)?;
        call(&*calls as &dyn ParameterSource)?;
        call(Box::new(Arc::clone(&calls)) as Box<dyn ParameterSource>)?;
        call(Arc::clone(&calls) as Arc<dyn ParameterSource>)?;
        assert_eq!(calls.0.each_ref().map(|n| n.load(Ordering::Relaxed)), [4; 4]);
        Ok(())
    }
}
