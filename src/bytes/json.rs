//! JSON files beside weights, such as configurations and indexes of shards.

use super::ReadAt;
use crate::error::SourceError;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::io;
use std::marker::PhantomData;

/// Largest JSON file that is loaded, in bytes. No configuration and no index comes near this size.
const LIMIT: u64 = 100_000_000;

/// Reads and parses a JSON object of at most [`LIMIT`] bytes.
pub(crate) fn read<T: DeserializeOwned>(object: &dyn ReadAt) -> Result<T, SourceError> {
    let path = || object.path().to_owned();
    let length = object.length();
    if length > LIMIT {
        let message = format!("{length} bytes of JSON, at most {LIMIT} are read");
        return Err(SourceError::Io { path: path(), source: io::Error::new(io::ErrorKind::InvalidData, message) });
    }
    let mut bytes = vec![0; length as usize];
    object.read_at(&mut bytes, 0)?;
    // Without Git LFS, a repository has a pointer here. As JSON, it would give an error that does not help.
    if bytes.starts_with(b"version https://git-lfs") {
        return Err(SourceError::LfsPointer { path: path() });
    }
    serde_json::from_slice(&bytes).map_err(|source| SourceError::Json { path: path(), source })
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
