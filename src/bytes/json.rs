//! JSON files beside weights, such as configurations and indexes of shards.

use super::ReadAt;
use crate::error::SourceError;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

/// How much JSON is read of one file.
///
/// A number of two bytes takes tens of bytes in memory, so that the values count as well as the bytes. They are counted before
/// anything is built of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// Length of the file in bytes.
    pub(crate) bytes: u64,
    /// Elements of lists and fields of objects, at any depth.
    pub(crate) values: usize,
}

/// What an adapter's configuration needs. One that names each of some thousand modules has a tenth of it.
pub(crate) const ADAPTER: Limit = Limit { bytes: 1 << 22, values: 1 << 17 };

/// What a model's configuration needs, also with a description of each quantized module.
pub(crate) const CONFIGURATION: Limit = Limit { bytes: 1 << 24, values: 1 << 19 };

/// What an index of shards or a list of files needs: a few times that of the largest models.
pub(crate) const INDEX: Limit = Limit { bytes: 1 << 26, values: 1 << 19 };

/// Reads and parses a JSON file within a limit.
pub(crate) fn read<T: DeserializeOwned>(object: &dyn ReadAt, limit: Limit) -> Result<T, SourceError> {
    let path = || object.path().to_owned();
    let length = object.length();
    if length > limit.bytes {
        let (found, expected) = (format!("{length} bytes"), format!("at most {} bytes", limit.bytes));
        return Err(SourceError::TooMuchJson { path: path(), found, expected });
    }
    let mut bytes = vec![0; length as usize];
    object.read_at(&mut bytes, 0)?;
    // Without Git LFS, a repository has a pointer here. As JSON, it would give an error that does not help.
    if bytes.starts_with(b"version https://git-lfs") {
        return Err(SourceError::LfsPointer { path: path() });
    }
    parse(object.path(), &bytes, limit.values)
}

/// Parses JSON of at most some values.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8], values: usize) -> Result<T, SourceError> {
    let failed = |source| SourceError::Json { path: path.to_owned(), source };
    let count = Cell::new(0);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    // What is no JSON gets its error from the parser of the type, which also says what was expected.
    let _ = Counted { count: &count, most: values }.deserialize(&mut deserializer);
    if count.get() > values {
        let (found, expected) = (format!("more than {values} values"), format!("at most {values}"));
        return Err(SourceError::TooMuchJson { path: path.to_owned(), found, expected });
    }
    serde_json::from_slice(bytes).map_err(failed)
}

/// Counts the values of a JSON document, and keeps none of them.
#[derive(Clone, Copy)]
struct Counted<'c> {
    count: &'c Cell<usize>,
    most: usize,
}

impl Counted<'_> {
    fn count<E: de::Error>(self) -> Result<(), E> {
        self.count.set(self.count.get() + 1);
        if self.count.get() > self.most { Err(E::custom("too many values")) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Counted<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counted<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self)?.is_some() {
            self.count()?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            self.count()?;
            map.next_value_seed(self)?;
        }
        Ok(())
    }
}

/// The entries of a JSON object in the order of the file. Repeated names are kept, so the caller can refuse them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entries<V>(pub(crate) Vec<(String, V)>);

impl<V> Default for Entries<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for InOrder<V> {
            type Value = Entries<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<V>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::path::PathBuf;

    #[test]
    fn values_are_counted_at_every_depth_before_they_are_built() {
        let text = br#"{"a":[1,2,[3,"x"]],"b":{"c":null,"d":true}}"#;
        let path = PathBuf::from("config.json");
        assert!(parse::<Value>(&path, text, 9).is_ok());
        let refused = parse::<Value>(&path, text, 8).unwrap_err().to_string();
        assert!(refused.contains("config.json") && refused.contains("more than 8 values"), "{refused}");
        // What stands behind too many values is not looked at.
        assert!(matches!(parse::<Value>(&path, b"[0,0,0", 2), Err(SourceError::TooMuchJson { .. })));
        assert!(matches!(parse::<Value>(&path, b"[0,0,0", 3), Err(SourceError::Json { .. })));
    }
}
