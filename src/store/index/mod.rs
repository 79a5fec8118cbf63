//! The index: what a store keeps of all its sketches in one file, to find those near to a model without opening any.

mod chunk;
mod file;
mod matrices;
mod search;
mod update;

pub(super) use matrices::Excerpt;
pub(super) use search::{Match, search};
pub(super) use update::{EarlierIndex, LiveIndex, current};

use crate::kernel::format::INDEX_WIDTH;
use crate::source::SafetensorsFile;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An index that is not what was written. It is made anew, so nobody needs to know the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage;

/// A run of values of one matrix. All models of a layout have it in the index.
///
/// It is written as an array: there are many layouts, and keys would be most of the file's header.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(String, usize, usize, usize)", into = "(String, usize, usize, usize)")]
struct MatrixExcerpt {
    name: String,
    begin: usize,
    end: usize,
    /// Number of values in one row of the matrix.
    row: usize,
}

impl MatrixExcerpt {
    /// Number of values in the run.
    fn size(&self) -> usize {
        self.end.saturating_sub(self.begin)
    }

    /// Number of values that the index keeps of the run.
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
    fn from(excerpt: MatrixExcerpt) -> Self {
        (excerpt.name, excerpt.begin, excerpt.end, excerpt.row)
    }
}

/// The stamp of a sketch's file, which shows whether the file is still the one that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    length: u64,
    /// Time of the last change, in nanoseconds since 1970.
    modified: u64,
    /// Number of the file on its disk; 0 where there is none.
    ///
    /// A file that replaces another has a new number, even in the same instant.
    number: u64,
}

/// One sketch of the store.
#[derive(Clone, Debug)]
struct IndexRow {
    name: String,
    content: u128,
    stamp: Stamp,
}

/// The models of one layout.
#[derive(Debug)]
struct Block {
    excerpts: Arc<[MatrixExcerpt]>,
    rows: Vec<IndexRow>,
    /// For each row, whether it still stands for a sketch of the store.
    live: Vec<bool>,
    numbers: BlockValues,
}

/// `[mean, m2]` and the folded sketch, for each row and excerpt. Rows follow one another.
#[derive(Debug)]
enum BlockValues {
    Memory {
        moments: Vec<f64>,
        values: Vec<f32>,
    },
    File {
        file: Arc<SafetensorsFile>,
        /// Position at which this block begins among all moments of the file.
        moments: usize,
        /// Position at which this block begins among all values of the file.
        values: usize,
        /// One checksum for each chunk of rows.
        checksums: Vec<u64>,
    },
}

impl Block {
    /// Number of values kept of one row.
    fn stride(&self) -> usize {
        self.excerpts.iter().map(MatrixExcerpt::kept).sum()
    }

    /// Number of rows that are live.
    fn live(&self) -> usize {
        self.live.iter().filter(|live| **live).count()
    }
}
