//! What a store keeps of all its sketches in one file, by which those near to a model are found without opening any.

mod chunk;
mod file;
mod matrices;
mod search;
mod update;

pub(super) use matrices::Excerpt;
pub(super) use search::{Found, search};
pub(super) use update::{Current, Written, current};

use crate::kernel::format::INDEX_WIDTH;
use crate::source::SafetensorsFile;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An index that is not what was written; it is made anew, so that nobody needs to know how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// A run of values of one matrix, which all models of a layout have in the index.
///
/// Written as an array: layouts are many, and keys would be most of the file's header.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(String, usize, usize, usize)", into = "(String, usize, usize, usize)")]
struct MatrixExcerpt {
    name: String,
    begin: usize,
    end: usize,
    /// Values in one row of the matrix.
    row: usize,
}

impl MatrixExcerpt {
    fn size(&self) -> usize {
        self.end.saturating_sub(self.begin)
    }

    fn kept(&self) -> usize {
        self.size().min(INDEX_WIDTH)
    }
}

impl From<(String, usize, usize, usize)> for MatrixExcerpt {
    fn from((name, begin, end, row): (String, usize, usize, usize)) -> Self {
        Self { name, begin, end, row }
    }
}

impl From<MatrixExcerpt> for (String, usize, usize, usize) {
    fn from(place: MatrixExcerpt) -> Self {
        (place.name, place.begin, place.end, place.row)
    }
}

/// What tells that the file of a sketch is the one that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    length: u64,
    /// Nanoseconds since 1970.
    modified: u64,
    /// Number of the file on its disk, 0 where there is none: a file that replaces another has a new one, even in the same instant.
    number: u64,
}

/// One sketch of the store.
#[derive(Clone, Debug)]
struct IndexRow {
    name: String,
    content: u128,
    stamp: Stamp,
}

/// Models of one layout.
#[derive(Debug)]
struct Block {
    places: Arc<[MatrixExcerpt]>,
    rows: Vec<IndexRow>,
    /// Rows that still stand for a sketch of the store.
    live: Vec<bool>,
    numbers: Numbers,
}

/// Of each row and place, `[mean, m2]` and the folded sketch; rows one after another.
#[derive(Debug)]
enum Numbers {
    Memory {
        moments: Vec<f64>,
        values: Vec<f32>,
    },
    File {
        file: Arc<SafetensorsFile>,
        /// Where this block begins among all moments, and among all values.
        moments: usize,
        values: usize,
        /// One for each chunk of rows.
        checksums: Vec<u64>,
    },
}

impl Block {
    /// Values kept of one row.
    fn stride(&self) -> usize {
        self.places.iter().map(MatrixExcerpt::kept).sum()
    }

    fn live(&self) -> usize {
        self.live.iter().filter(|live| **live).count()
    }
}
