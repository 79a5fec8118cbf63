//! Brings an index up to date with the folder.

use super::chunk::ChunkBuffer;
use super::{Block, BlockValues, Damage, Excerpt, IndexRow, MatrixExcerpt, Stamp, file};
use crate::bytes::Existing;
use crate::error::{Error, SourceError};
use crate::kernel::format::INDEX_FILE;
use crate::kernel::from_hex;
use crate::store::file_name::{entry_hash, is_gone};
use crate::store::sketch_file::SketchFile;
use crate::store::{SketchStore, StoreProblem};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, DirEntry, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use xxhash_rust::xxh3::xxh3_128;

/// The index is written when more than one sketch in this many has changed.
///
/// Fewer changed sketches are read again each time, which takes less time than writing the whole index.
const WORTH_WRITING: usize = 64;

/// An index that agrees with the folder.
#[derive(Debug)]
pub(crate) struct LiveIndex {
    pub(super) blocks: Vec<Block>,
    /// Number of sketches that were opened.
    pub(crate) read: usize,
    /// Sketches that cannot be read, sorted by path.
    pub(crate) unreadable: Vec<StoreProblem>,
    /// Why the index could not be written, for example in a store that may only be read.
    pub(crate) unwritten: Option<std::io::Error>,
}

/// Paths and stamps of sketches, by the hash in their names.
type Entries = HashMap<u128, (PathBuf, Stamp)>;

/// Whether the index file is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EarlierIndex {
    Taken,
    Ignored,
}

/// The index of a store, in agreement with the folder as it is now.
///
/// It opens the sketches that are not in the index file, or that have changed since.
///
/// # Errors
///
/// [`Error::Store`] when the folder cannot be listed.
pub(crate) fn current(store: &SketchStore, written: EarlierIndex) -> Result<LiveIndex, Error> {
    let path = store.path().join(INDEX_FILE);
    let mut blocks = match written {
        EarlierIndex::Taken => file::open(&path, store.seed()).unwrap_or_default(),
        EarlierIndex::Ignored => Vec::new(),
    };
    let (mut files, mut unreadable) = files(store.path())?;
    let mut gone = 0;
    // A row whose file is gone or changed no longer counts. Files that are left in `files` are new or changed.
    for block in &mut blocks {
        for (row, live) in block.rows.iter().zip(&mut block.live) {
            // Entries are named by this hash, so a row need not store a path.
            let hash = xxh3_128(row.name.as_bytes());
            *live = files.get(&hash).is_some_and(|(_, stamp)| *stamp == row.stamp);
            match live {
                true => drop(files.remove(&hash)),
                false => gone += 1,
            }
        }
    }
    let mut changed: Vec<(PathBuf, Stamp)> = files.into_values().collect();
    // A hash map has no fixed order. Sorted paths give rows and problems one.
    changed.sort_by(|a, b| a.0.cmp(&b.0));
    let outcomes: Vec<_> = changed.into_par_iter().map(|(path, stamp)| read(store, path, stamp)).collect();
    let mut fresh = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(one) => fresh.push(one),
            // The file was removed since it was listed.
            Err(gone) if matches!(*gone.problem, SourceError::NotFound { .. }) => {}
            Err(problem) => unreadable.push(problem),
        }
    }
    unreadable.sort_by(|a, b| a.path.cmp(&b.path));
    let read = fresh.len();
    let kept: usize = blocks.iter().map(Block::live).sum();
    blocks.extend(gathered(fresh));
    let mut current = LiveIndex { blocks, read, unreadable, unwritten: None };
    // Writing takes time for the whole index. For few changes, reading them again next time takes less.
    if (read + gone) * WORTH_WRITING > kept {
        match compact(&current.blocks) {
            Ok(blocks) => current.write(blocks, store, &path),
            // The old rows are damaged, which shows only now that they are read. So all sketches are opened instead.
            Err(Damage) => return self::current(store, EarlierIndex::Ignored),
        }
    }
    Ok(current)
}

impl LiveIndex {
    /// Takes over blocks that are in memory, one for each layout, and writes them to the file.
    fn write(&mut self, blocks: Vec<Block>, store: &SketchStore, path: &Path) {
        let written =
            file::encode(&blocks, store.seed()).and_then(|bytes| store.write(path, &bytes, Existing::Replace));
        self.unwritten = written.err();
        self.blocks = blocks;
    }
}

/// Opens one sketch and takes the part that stands for its model.
fn read(store: &SketchStore, path: PathBuf, stamp: Stamp) -> Result<(IndexRow, Excerpt), StoreProblem> {
    let open = || -> Result<(IndexRow, Excerpt), SourceError> {
        let SketchFile { sketch, name, content, .. } = store.read_file(&path)?;
        // Opening compared it with the hash of what was read, so it has this form.
        let content = from_hex(&content).unwrap_or_default();
        Ok((IndexRow { name, content, stamp }, Excerpt::new(&sketch)?))
    };
    open().map_err(|problem: SourceError| StoreProblem { path, problem: problem.into() })
}

/// The rows of one layout and their numbers, in the making.
#[derive(Debug, Default)]
struct LayoutRows {
    rows: Vec<IndexRow>,
    moments: Vec<f64>,
    values: Vec<f32>,
}

impl LayoutRows {
    /// A block in memory of these rows, all of them live.
    fn block(self, excerpts: Arc<[MatrixExcerpt]>) -> Block {
        let Self { rows, moments, values } = self;
        Block { excerpts, live: vec![true; rows.len()], rows, numbers: BlockValues::Memory { moments, values } }
    }
}

/// One block for each layout, from sketches that were just read.
fn gathered(fresh: Vec<(IndexRow, Excerpt)>) -> Vec<Block> {
    let mut by_layout: BTreeMap<Arc<[MatrixExcerpt]>, LayoutRows> = BTreeMap::new();
    for (row, excerpt) in fresh {
        let all = by_layout.entry(excerpt.excerpts).or_default();
        all.rows.push(row);
        all.moments.extend(excerpt.moments);
        all.values.extend(excerpt.values);
    }
    by_layout.into_iter().map(|(excerpts, rows)| rows.block(excerpts)).collect()
}

/// The live rows, in one block for each layout, all in memory.
fn compact(blocks: &[Block]) -> Result<Vec<Block>, Damage> {
    let mut by_layout: BTreeMap<Arc<[MatrixExcerpt]>, LayoutRows> = BTreeMap::new();
    let mut buffer = ChunkBuffer::default();
    for block in blocks {
        let all = by_layout.entry(Arc::clone(&block.excerpts)).or_default();
        let (of_moments, of_values) = (2 * block.excerpts.len(), block.stride());
        for number in 0..block.chunks() {
            let chunk = block.chunk(number, &mut buffer)?;
            for (at, row) in chunk.rows.clone().enumerate().filter(|(_, row)| block.live[*row]) {
                all.rows.push(block.rows[row].clone());
                all.moments.extend_from_slice(&chunk.moments[at * of_moments..][..of_moments]);
                all.values.extend_from_slice(&chunk.values[at * of_values..][..of_values]);
            }
        }
    }
    let filled = by_layout.into_iter().filter(|(_, all)| !all.rows.is_empty());
    Ok(filled.map(|(excerpts, rows)| rows.block(excerpts)).collect())
}

/// The entries of a folder, by the hash in their names, and those that cannot be inspected.
fn files(folder: &Path) -> Result<(Entries, Vec<StoreProblem>), Error> {
    let refused = |path: &Path, source| SourceError::Io { path: path.to_owned(), source };
    let failed = |source| Error::Store { source: refused(folder, source).into() };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        entries.extend(entry_hash(&entry.path()).map(|hash| (hash, entry)));
    }
    let stamped = |(hash, entry): (u128, DirEntry)| {
        let path = entry.path();
        // The folder is open, so this is faster than by path. A link is followed, as it is when the sketch is opened.
        let metadata = entry.metadata().and_then(|m| if m.is_symlink() { fs::metadata(&path) } else { Ok(m) });
        match metadata {
            Ok(m) => Some(Ok((hash, (path, stamp(&m))))),
            // It was removed since it was listed.
            Err(e) if e.kind() == ErrorKind::NotFound && is_gone(&path) => None,
            Err(source) => Some(Err(StoreProblem { problem: refused(&path, source).into(), path })),
        }
    };
    let listed: Vec<Result<_, StoreProblem>> = entries.into_par_iter().filter_map(stamped).collect();
    let (mut files, mut unreadable) = (Entries::new(), Vec::new());
    for one in listed {
        match one {
            Ok((hash, file)) => _ = files.insert(hash, file),
            Err(problem) => unreadable.push(problem),
        }
    }
    Ok((files, unreadable))
}

/// The stamp of a file.
fn stamp(metadata: &Metadata) -> Stamp {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let number = 0;
    Stamp { length: metadata.len(), modified: modified.map_or(0, |since| since.as_nanos() as u64), number }
}
