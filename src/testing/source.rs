use super::Violation;
use crate::error::{SourceError, chain};
use crate::format::widen;
use crate::source::{ParameterInfo, ParameterSource};
use std::thread;

/// Number of elements that are read at either end of each tensor, so that checking a large model stays affordable.
const ELEMENTS: usize = 1 << 16;

/// Checks that a source keeps the contract of [`ParameterSource`].
///
/// It reads up to 65,536 elements at either end of each tensor: as a whole, in pieces and from two threads.
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
/// The first promise that the source breaks, with the tensor on which it breaks it.
pub fn check_parameter_source(source: &dyn ParameterSource) -> Result<(), Violation> {
    let parameters = source.parameters().map_err(|e| list(failure(&e), "tensors"))?;
    check_list(source, &parameters)?;
    for parameter in &parameters {
        let here = |violation: Violation| violation.within(&format!("parameter `{}`", parameter.name));
        check_values(source, parameter).map_err(here)?;
        check_bytes(source, parameter).map_err(here)?;
        check_refusals(source, parameter).map_err(here)?;
    }
    check_unknown(source, &parameters)
}

/// Makes a violation of what `parameters` promises.
fn list(found: impl Into<String>, expected: &str) -> Violation {
    Violation::new("the list of parameters", found, expected)
}

fn failure(error: &SourceError) -> String {
    format!("the error `{}`", chain(error))
}

fn check_list(source: &dyn ParameterSource, parameters: &[ParameterInfo]) -> Result<(), Violation> {
    for pair in parameters.windows(2) {
        let (first, second) = (&pair[0].name, &pair[1].name);
        if first == second {
            return Err(list(format!("`{first}` twice"), "every name once"));
        }
        if first > second {
            return Err(list(format!("`{first}` before `{second}`"), "names in sorted order"));
        }
    }
    for parameter in parameters {
        if parameter.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).is_none() {
            return Err(list(
                format!("the shape {:?} of `{}`", parameter.shape, parameter.name),
                "elements that can be counted",
            ));
        }
    }
    match source.parameters() {
        Ok(again) if again == parameters => Ok(()),
        Ok(_) => Err(list("another one the second time", "the same each time")),
        Err(e) => Err(list(format!("{} the second time", failure(&e)), "the same each time")),
    }
}

fn check_values(source: &dyn ParameterSource, parameter: &ParameterInfo) -> Result<(), Violation> {
    let size = parameter.size();
    let length = size.min(ELEMENTS);
    for begin in [0, size - length] {
        let whole = read(source, &parameter.name, begin, length)?;
        // A hint may change the speed of what follows, and nothing else.
        source.prefetch(&parameter.name, begin, length);
        for piece in [1, 7, 1000] {
            // Single elements of a long run would cost more than they show.
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
            let values = values.map_err(|_| Violation::new("read from two threads", "a panic", "values"))??;
            same(&values, &whole, begin)?;
        }
    }
    Ok(())
}

/// Checks that stored bytes, where the source gives them, are those of the values.
fn check_bytes(source: &dyn ParameterSource, parameter: &ParameterInfo) -> Result<(), Violation> {
    let (name, element) = (parameter.name.as_str(), parameter.dtype.size());
    let length = parameter.size().min(1000);
    for begin in [0, parameter.size() - length] {
        let mut bytes = vec![0; length * element];
        match source.read_bytes(name, begin * element, &mut bytes) {
            Ok(()) => {}
            // A source need not have stored bytes.
            Err(SourceError::NoBytes { .. }) => return Ok(()),
            Err(e) => return Err(Violation::new(format!("the bytes of {length} elements"), failure(&e), "bytes")),
        }
        let mut values = vec![0.0; length];
        widen(parameter.dtype, &bytes, &mut values);
        let read = read(source, name, begin, length)?;
        // Bits are compared, since NaN equals nothing and −0 equals 0.
        if let Some(at) = values.iter().zip(&read).position(|(v, r)| v.to_bits() != r.to_bits()) {
            let (found, expected) = (read[at].to_string(), format!("{} as its bytes say", values[at]));
            return Err(Violation::new(format!("element {}", begin + at), found, expected));
        }
    }
    match source.read_bytes(name, parameter.size().saturating_mul(element), &mut [0]) {
        Err(SourceError::OutOfRange { .. }) => Ok(()),
        other => Err(Violation::new("a byte after the last", outcome(other), "the error OutOfRange")),
    }
}

fn check_refusals(source: &dyn ParameterSource, parameter: &ParameterInfo) -> Result<(), Violation> {
    let (name, size) = (parameter.name.as_str(), parameter.size());
    match source.read(name, size, &mut []) {
        Ok(()) => {}
        Err(e) => return Err(Violation::new("nothing read at its end", failure(&e), "success")),
    }
    // The second pair overflows where a source adds offset and length unchecked.
    for (offset, length) in [(size, 1), (usize::MAX, 2)] {
        // A hint about a place that does not exist must not panic.
        source.prefetch(name, offset, length);
        match source.read(name, offset, &mut vec![0.0; length]) {
            Err(SourceError::OutOfRange { .. }) => {}
            other => {
                let input = format!("{length} elements read at {offset} of {size}");
                return Err(Violation::new(input, outcome(other), "the error OutOfRange"));
            }
        }
    }
    Ok(())
}

fn check_unknown(source: &dyn ParameterSource, parameters: &[ParameterInfo]) -> Result<(), Violation> {
    let mut name = "no such parameter".to_owned();
    while parameters.iter().any(|p| p.name == name) {
        name.push('!');
    }
    source.prefetch(&name, 0, 1);
    match source.read(&name, 0, &mut [0.0]) {
        Err(SourceError::UnknownParameter { .. }) => Ok(()),
        other => Err(Violation::new(format!("`{name}` read"), outcome(other), "the error UnknownParameter")),
    }
}

fn read(source: &dyn ParameterSource, name: &str, offset: usize, length: usize) -> Result<Vec<f32>, Violation> {
    let input = || format!("elements {offset}..{}", offset + length);
    let filled = |with: f32| {
        let mut out = vec![with; length];
        match source.read(name, offset, &mut out) {
            Ok(()) => Ok(out),
            Err(e) => Err(Violation::new(input(), failure(&e), "values")),
        }
    };
    // An element that the source does not write keeps this marker. No model holds it, and the second read starts from another
    // one.
    let marker = f32::from_bits(0x7fc0_dead);
    let out = filled(marker)?;
    if let Some(at) = out.iter().position(|v| v.to_bits() == marker.to_bits())
        && filled(0.0)?[at] == 0.0
    {
        return Err(Violation::new(input(), format!("that element {} was not written", offset + at), "all of them"));
    }
    Ok(out)
}

fn same(found: &[f32], expected: &[f32], begin: usize) -> Result<(), Violation> {
    match found.iter().zip(expected).position(|(f, e)| f.to_bits() != e.to_bits()) {
        Some(at) => {
            let (first, second) = (expected[at], found[at]);
            let expected = "the same whatever is read with it";
            Err(Violation::new(format!("element {}", begin + at), format!("{first} and {second}"), expected))
        }
        None => Ok(()),
    }
}

fn outcome(result: Result<(), SourceError>) -> String {
    match result {
        Ok(()) => "success".to_owned(),
        Err(e) => failure(&e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Dtype, InMemory, check_range};

    /// A source of one tensor whose bytes are wrong, or never end.
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
            (|_, out| out.fill(7), "element 0: found 0, expected 7 as its bytes say"),
            (counting, "a byte after the last"),
        ];
        for (bytes, expected) in cases {
            let found = check_parameter_source(&Bytes(bytes)).unwrap_err();
            assert!(found.to_string().contains(expected), "{found}");
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
                Err(found) => assert!(!expected.is_empty() && found.to_string().contains(expected), "{found}"),
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
