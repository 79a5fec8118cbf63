use crate::error::SourceError;
use crate::format::widen;
use crate::model_set::Skipped;
use crate::source::{ParameterInfo, ParameterSource};
use std::thread;

/// Elements of each tensor that are read; checking a large model stays affordable.
const ELEMENTS: usize = 1 << 16;

/// Checks that a source keeps the contract of [`ParameterSource`].
///
/// Reads up to 65,536 elements at either end of each tensor, whole, in pieces and from two threads.
///
/// ```
/// use neural_phylogeny::InMemory;
/// use neural_phylogeny::testing::check_parameter_source;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = InMemory::new().with_parameter("fc.bias", [2], vec![0.5, -0.5])?;
/// check_parameter_source(&model)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The first promise that the source breaks, with the tensor it breaks it for.
pub fn check_parameter_source(source: &dyn ParameterSource) -> Result<(), String> {
    let parameters = source.parameters().map_err(|e| format!("`parameters` failed: {}", chain(e)))?;
    check_list(source, &parameters)?;
    for parameter in &parameters {
        check_values(source, parameter).map_err(|e| format!("parameter `{}`: {e}", parameter.name))?;
        check_bytes(source, parameter).map_err(|e| format!("parameter `{}`: {e}", parameter.name))?;
        check_refusals(source, parameter).map_err(|e| format!("parameter `{}`: {e}", parameter.name))?;
    }
    check_unknown(source, &parameters)
}

fn check_list(source: &dyn ParameterSource, parameters: &[ParameterInfo]) -> Result<(), String> {
    for pair in parameters.windows(2) {
        let (first, second) = (&pair[0].name, &pair[1].name);
        if first == second {
            return Err(format!("`{first}` is listed twice, expected every name once"));
        }
        if first > second {
            return Err(format!("`{first}` is listed before `{second}`, expected names in sorted order"));
        }
    }
    for parameter in parameters {
        if parameter.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).is_none() {
            return Err(format!("parameter `{}` has more elements than can be counted", parameter.name));
        }
    }
    match source.parameters() {
        Ok(again) if again == parameters => Ok(()),
        Ok(_) => Err("`parameters` gave two different lists, expected the same each time".to_owned()),
        Err(e) => Err(format!("`parameters` failed the second time: {}", chain(e))),
    }
}

fn check_values(source: &dyn ParameterSource, parameter: &ParameterInfo) -> Result<(), String> {
    let size = parameter.size();
    let length = size.min(ELEMENTS);
    for begin in [0, size - length] {
        let whole = read(source, &parameter.name, begin, length)?;
        source.prefetch(&parameter.name, begin, length);
        for piece in [1, 7, 1000] {
            // Single elements of a long run would cost more than they tell.
            let covered = length.min(piece * 32);
            let mut offset = 0;
            while offset < covered {
                let n = piece.min(covered - offset);
                let values = read(source, &parameter.name, begin + offset, n)?;
                same(&values, &whole[offset..offset + n], begin + offset)?;
                offset += n;
            }
        }
        let together = thread::scope(|scope| {
            let reader = || read(source, &parameter.name, begin, length);
            [scope.spawn(reader), scope.spawn(reader)].map(|t| t.join())
        });
        for values in together {
            let values = values.map_err(|_| "reading from two threads panicked".to_owned())??;
            same(&values, &whole, begin)?;
        }
    }
    Ok(())
}

/// Stored bytes, where they are at hand, are those of the values.
fn check_bytes(source: &dyn ParameterSource, parameter: &ParameterInfo) -> Result<(), String> {
    let (name, element) = (parameter.name.as_str(), parameter.dtype.size());
    let length = parameter.size().min(1000);
    for begin in [0, parameter.size() - length] {
        let mut bytes = vec![0; length * element];
        match source.read_bytes(name, begin * element, &mut bytes) {
            Ok(()) => {}
            Err(SourceError::NoBytes { .. }) => return Ok(()),
            Err(e) => return Err(format!("reading the bytes of {length} elements failed: {}", chain(e))),
        }
        let mut values = vec![0.0; length];
        widen(parameter.dtype, &bytes, &mut values);
        let read = read(source, name, begin, length)?;
        if let Some(at) = values.iter().zip(&read).position(|(v, r)| v.to_bits() != r.to_bits()) {
            let (of_bytes, as_value) = (values[at], read[at]);
            let at = begin + at;
            return Err(format!("element {at} is {of_bytes} by its bytes and was read as {as_value}"));
        }
    }
    match source.read_bytes(name, parameter.size().saturating_mul(element), &mut [0]) {
        Err(SourceError::OutOfRange { .. }) => Ok(()),
        other => Err(format!("reading a byte after the last gave {}, expected the error OutOfRange", outcome(other))),
    }
}

fn check_refusals(source: &dyn ParameterSource, parameter: &ParameterInfo) -> Result<(), String> {
    let (name, size) = (parameter.name.as_str(), parameter.size());
    match source.read(name, size, &mut []) {
        Ok(()) => {}
        Err(e) => return Err(format!("reading nothing at its end failed: {}", chain(e))),
    }
    for (offset, length) in [(size, 1), (usize::MAX, 2)] {
        source.prefetch(name, offset, length);
        match source.read(name, offset, &mut vec![0.0; length]) {
            Err(SourceError::OutOfRange { .. }) => {}
            other => {
                return Err(format!(
                    "reading {length} elements at {offset} of {size} gave {}, expected the error OutOfRange",
                    outcome(other)
                ));
            }
        }
    }
    Ok(())
}

fn check_unknown(source: &dyn ParameterSource, parameters: &[ParameterInfo]) -> Result<(), String> {
    let mut name = "no such parameter".to_owned();
    while parameters.iter().any(|p| p.name == name) {
        name.push('!');
    }
    source.prefetch(&name, 0, 1);
    match source.read(&name, 0, &mut [0.0]) {
        Err(SourceError::UnknownParameter { .. }) => Ok(()),
        other => Err(format!("reading `{name}` gave {}, expected the error UnknownParameter", outcome(other))),
    }
}

fn read(source: &dyn ParameterSource, name: &str, offset: usize, length: usize) -> Result<Vec<f32>, String> {
    let filled = |with: f32| {
        let mut out = vec![with; length];
        match source.read(name, offset, &mut out) {
            Ok(()) => Ok(out),
            Err(e) => Err(format!("reading elements {offset}..{} failed: {}", offset + length, chain(e))),
        }
    };
    // An element that the source leaves alone shows as a value that no model holds, and as another one the second time.
    let marker = f32::from_bits(0x7fc0_dead);
    let out = filled(marker)?;
    if let Some(at) = out.iter().position(|v| v.to_bits() == marker.to_bits())
        && filled(0.0)?[at] == 0.0
    {
        return Err(format!("element {} was not written", offset + at));
    }
    Ok(out)
}

fn same(found: &[f32], expected: &[f32], begin: usize) -> Result<(), String> {
    match found.iter().zip(expected).position(|(f, e)| f.to_bits() != e.to_bits()) {
        Some(at) => Err(format!(
            "element {} was read as {} and as {}, expected the same whatever is read with it",
            begin + at,
            expected[at],
            found[at]
        )),
        None => Ok(()),
    }
}

fn outcome(result: Result<(), SourceError>) -> String {
    match result {
        Ok(()) => "success".to_owned(),
        Err(e) => format!("`{}`", chain(e)),
    }
}

fn chain(error: SourceError) -> String {
    Skipped::new("", &error).reason
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Dtype, InMemory, check_range};

    /// A source of one tensor whose bytes are wrong, or go on for ever.
    #[derive(Debug)]
    struct Bytes(Fill);

    /// Fills bytes from an offset on.
    type Fill = fn(offset: usize, out: &mut [u8]);

    impl ParameterSource for Bytes {
        fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
            Ok(vec![ParameterInfo::new("a", [3], Dtype::U8)])
        }

        fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
            check_range(name, 3, offset, out.len())?;
            out.iter_mut().zip(offset..).for_each(|(v, at)| *v = at as f32);
            Ok(())
        }

        fn read_bytes(&self, _: &str, offset: usize, out: &mut [u8]) -> Result<(), SourceError> {
            (self.0)(offset, out);
            Ok(())
        }
    }

    #[test]
    fn wrong_bytes_are_told() {
        let counting: Fill = |offset, out| out.iter_mut().zip(offset..).for_each(|(b, at)| *b = at as u8);
        let cases: [(Fill, &str); 2] = [
            (|_, out| out.fill(7), "element 0 is 7 by its bytes and was read as 0"),
            (counting, "a byte after the last"),
        ];
        for (bytes, expected) in cases {
            let found = check_parameter_source(&Bytes(bytes)).unwrap_err();
            assert!(found.contains(expected), "{found}");
        }
    }

    /// A source of one tensor that breaks one promise.
    #[derive(Debug)]
    struct Faulty {
        names: &'static [&'static str],
        read: fn(offset: usize, out: &mut [f32]) -> Result<(), SourceError>,
    }

    impl ParameterSource for Faulty {
        fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
            let info = |n: &&str| ParameterInfo::new(*n, [3], Dtype::F32);
            Ok(self.names.iter().map(info).collect())
        }

        fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
            if !self.names.contains(&name) {
                return Err(SourceError::UnknownParameter { parameter: name.to_owned() });
            }
            (self.read)(offset, out)
        }
    }

    #[test]
    fn each_broken_promise_is_told() {
        let right: fn(usize, &mut [f32]) -> Result<(), SourceError> = |offset, out| {
            check_range("a", 3, offset, out.len())?;
            out.iter_mut().enumerate().for_each(|(i, v)| *v = (offset + i) as f32);
            Ok(())
        };
        let cases: [(&'static [&'static str], _, &str); 6] = [
            (&["a"], right, ""),
            (&["a", "a"], right, "twice"),
            (&["b", "a"], right, "sorted order"),
            (&["a"], |o, out| check_range("a", 3, o, out.len()), "was not written"),
            (
                &["a"],
                |_, out| {
                    out.fill(1.0);
                    Ok(())
                },
                "OutOfRange",
            ),
            (
                &["a"],
                |o, out| {
                    check_range("a", 3, o, out.len())?;
                    let length = out.len() as f32;
                    out.fill(length);
                    Ok(())
                },
                "expected the same",
            ),
        ];
        for (names, read, expected) in cases {
            match check_parameter_source(&Faulty { names, read }) {
                Ok(()) => assert_eq!(expected, ""),
                Err(found) => assert!(!expected.is_empty() && found.contains(expected), "{found}"),
            }
        }
    }

    #[test]
    fn models_in_memory_keep_the_contract() -> Result<(), Box<dyn std::error::Error>> {
        let model = InMemory::new()
            .with_parameter("scalar", [], vec![1.0])?
            .with_parameter("empty", [0, 4], vec![])?
            .with_parameter("matrix", [300, 300], (0..90_000).map(|i| i as f32).collect())?;
        check_parameter_source(&model)?;
        Ok(())
    }
}
