use crate::error::SourceError;
use crate::format::ParameterInfo;
use std::fmt;
use std::sync::Arc;

/// One trained network, whose parameters are read in chunks.
///
/// # Contract
///
/// - [`parameters`](Self::parameters) lists every tensor once, sorted by name. The list is the same at each call.
/// - [`read`](Self::read) fills `out` with elements `offset .. offset + out.len()` of the tensor in row-major order,
///   widened to f32. One embedding matrix may hold 10⁹ values: never load more than the call needs.
/// - A name that is not listed is [`SourceError::UnknownParameter`]. A range beyond the end is [`SourceError::OutOfRange`].
/// - NaN and infinity are returned as they are. The caller refuses them and reports the index of the element.
/// - Calls come from several threads at once.
/// - [`read_bytes`](Self::read_bytes) may be left out. A source that has it returns the bytes that `read` widens, for every
///   tensor or for some.
/// - [`prefetch`](Self::prefetch) may be left out. It never changes what is read.
/// - Errors say which file and which tensor, what was found and what was expected. The caller adds the model's name.
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
    /// Returns every tensor of the model, sorted by name.
    ///
    /// # Errors
    ///
    /// When the model cannot be read at all.
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError>;

    /// Fills `out` with consecutive elements of one tensor in row-major order, from element `offset` on.
    ///
    /// # Errors
    ///
    /// When the tensor or the range does not exist, or reading fails.
    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError>;

    /// Fills `out` with stored bytes of one tensor, from byte `offset` of the tensor on.
    ///
    /// There are `dtype.size()` bytes for each element, little-endian and row-major. They serve integers that f32 would round,
    /// and packed integers. By default a source has no stored bytes.
    ///
    /// # Errors
    ///
    /// [`SourceError::NoBytes`] when the source does not have the stored bytes; the errors of [`read`](Self::read).
    fn read_bytes(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<(), SourceError> {
        let _ = (offset, out);
        Err(SourceError::NoBytes { parameter: name.to_owned() })
    }

    /// Returns the root mean square of the rounding error of a tensor's values, if they were quantized in known steps.
    ///
    /// The unit is that of the values. By default it is unknown.
    ///
    /// # Errors
    ///
    /// When the steps cannot be read.
    fn rounding(&self, name: &str) -> Result<Option<f64>, SourceError> {
        let _ = name;
        Ok(None)
    }

    /// Returns the tensors that the model's files hold and this source passes over: the name of each, and why. Default: none.
    fn left_out(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Announces that some thread will soon read elements `offset .. offset + length` of a tensor.
    ///
    /// This is a hint: it has no result and must not wait. A source that can load data in the background starts to do so. A
    /// tensor or range that does not exist is ignored. By default it does nothing.
    fn prefetch(&self, name: &str, offset: usize, length: usize) {
        let _ = (name, offset, length);
    }
}

/// Implements the trait for pointers to a source. Every method is forwarded, the default ones too.
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

            fn rounding(&self, name: &str) -> Result<Option<f64>, SourceError> {
                (**self).rounding(name)
            }

            fn left_out(&self) -> Vec<(String, String)> {
                (**self).left_out()
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
    struct Calls([AtomicUsize; 6]);

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

        fn rounding(&self, _: &str) -> Result<Option<f64>, SourceError> {
            self.note(4);
            Ok(None)
        }

        fn left_out(&self) -> Vec<(String, String)> {
            self.note(5);
            Vec::new()
        }
    }

    #[test]
    fn pointers_pass_every_method_on() -> Result<(), SourceError> {
        fn call(source: impl ParameterSource) -> Result<(), SourceError> {
            source.parameters()?;
            source.read("", 0, &mut [])?;
            source.read_bytes("", 0, &mut [])?;
            source.prefetch("", 0, 0);
            source.rounding("")?;
            source.left_out();
            Ok(())
        }
        let calls = Arc::new(Calls::default());
        call(&*calls)?;
        call(&*calls as &dyn ParameterSource)?;
        call(Box::new(Arc::clone(&calls)) as Box<dyn ParameterSource>)?;
        call(Arc::clone(&calls) as Arc<dyn ParameterSource>)?;
        assert_eq!(calls.0.each_ref().map(|n| n.load(Ordering::Relaxed)), [4; 6]);
        Ok(())
    }
}
