//! JSON files that stand beside weights.

use crate::bytes::read_small;
use crate::error::SourceError;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::path::Path;

/// No configuration and no index comes near this; larger files are not loaded.
const LIMIT: u64 = 100_000_000;

/// Reads a JSON file of bounded size.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, SourceError> {
    let fail = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => SourceError::NotFound { path: path.to_owned() },
        _ => SourceError::Io { path: path.to_owned(), source },
    };
    let bytes = read_small(path, LIMIT).map_err(fail)?;
    if bytes.starts_with(b"version https://git-lfs") {
        return Err(SourceError::LfsPointer { path: path.to_owned() });
    }
    serde_json::from_slice(&bytes).map_err(|source| SourceError::Json { path: path.to_owned(), source })
}

/// The entries of a JSON object in the order of the file, repeated names included.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entries<V>(pub(super) Vec<(String, V)>);

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
