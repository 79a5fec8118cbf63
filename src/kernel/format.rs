//! Every number and word that a stored byte depends on.
//!
//! A sketch is compared with sketches that other builds wrote, on other machines, years apart. These constants must therefore
//! never change for speed. A change makes another format. It needs a higher version of the changed part, new golden files
//! (`tests/golden/store/README.md`) and an entry in the changelog. `tests/mutate_format.sh` shows that a test fixes each of
//! these constants.
//!
//! Numbers that only decide how fast bytes are made are not here: lengths of blocks, numbers of threads, waves.

use xxhash_rust::xxh3::Xxh3;

/// Number of values in one job of a fingerprint, of a sketch's sums and of the pass over all models: 2¹⁸.
///
/// A fingerprint chains the hashes of its jobs, and partial sums count jobs. Within a job, reads may have any length.
pub(crate) const JOB: usize = 1 << 18;

/// Version of the random map of sketches. It is raised when the algorithm changes and not only one of its constants.
pub(crate) const MAP_VERSION: u64 = 1;

/// Step of the counter of SplitMix64 (Steele, Lea & Flood, doi:10.1145/2660193.2660195).
pub(crate) const SPLITMIX_STEP: u64 = 0x9e37_79b9_7f4a_7c15;
/// First of the two factors of SplitMix64's finalizer.
pub(crate) const SPLITMIX_FIRST: u64 = 0xbf58_476d_1ce4_e5b9;
/// Second of the two factors of SplitMix64's finalizer.
pub(crate) const SPLITMIX_SECOND: u64 = 0x94d0_49bb_1331_11eb;
/// Shifts of SplitMix64's finalizer, in bits: before the first factor, between both factors, and after the second.
pub(crate) const SPLITMIX_SHIFTS: [u32; 3] = [30, 27, 31];

/// Number of values that the map adds to consecutive places together. It is also the least width of a sketch.
pub(crate) const BASE: usize = 256;

/// Number of rows for each element of a row above which a matrix is sketched in segments.
///
/// Such a matrix is likely to be that of a vocabulary, to which rows may be added.
pub(crate) const TALL: f64 = 3.5;

/// Number of random sums that a sketch keeps of each line.
pub(crate) const DIGITS: usize = 8;

/// Divisor of the width of a sketch. The result is the most rows, and the most columns, that the sketch keeps of a matrix.
pub(crate) const LINE_SHARE: usize = 32;

/// Least number of values in a row or column that a sketch keeps. Shorter ones are multiples of one another too easily.
pub(crate) const SHORTEST_LINE: usize = 8;

/// Salt that makes the signs of lines different from those of the map: `lines` in ASCII.
pub(crate) const LINE_SALT: u64 = 0x6c69_6e65_7300_0000;

/// The kind that a sketch file records. Its number is raised when the form of the file changes.
pub(crate) const SKETCH: &str = "neural-phylogeny sketch 2";
/// Name of the tensor of sketched values in a sketch file.
pub(crate) const SKETCH_VALUES: &str = "values";
/// Name of the tensor of moments in a sketch file, with five numbers for each segment.
pub(crate) const SKETCH_MOMENTS: &str = "moments";
/// Name of the tensor of fingerprints in a sketch file, with two halves for each segment.
pub(crate) const SKETCH_FINGERPRINTS: &str = "fingerprints";

/// Version of the settings of a store.
pub(crate) const STORE_VERSION: u64 = 2;

/// Ending of the file name of a store's entry, after the hash of the entry's name.
pub(crate) const ENTRY_SUFFIX: &str = ".safetensors";

/// File name of a store's index.
pub(crate) const INDEX_FILE: &str = "index.safetensors";
/// The kind that an index file records.
pub(crate) const INDEX: &str = "neural-phylogeny index 2";
/// Most matrices that an index keeps of a model.
pub(crate) const INDEX_MATRICES: usize = 8;
/// Number of depths in a network from which the one matrix of a kind may be taken.
pub(crate) const INDEX_DEPTHS: usize = 8;
/// Least number of values of a matrix in an index. Smaller matrices do not represent a model.
pub(crate) const INDEX_LEAST_SIZE: usize = 64;
/// Number of values that an index keeps of each matrix. It is the least width of a sketch, to which all wider ones fold.
pub(crate) const INDEX_WIDTH: usize = BASE;
/// Number of rows that one checksum of an index covers.
pub(crate) const INDEX_CHUNK: usize = 64;
/// Name of the tensor of rows in an index file.
pub(crate) const INDEX_ROWS: &str = "rows";
/// Name of the tensor with the names of all models in an index file, one after another.
pub(crate) const INDEX_NAMES: &str = "names";
/// Name of the tensor of checksums in an index file, one for each chunk of [`INDEX_CHUNK`] rows.
pub(crate) const INDEX_CHECKSUMS: &str = "checksums";
/// Name of the tensor of moments in an index file: mean and second moment for each row and matrix.
pub(crate) const INDEX_MOMENTS: &str = "moments";
/// Name of the tensor of values in an index file: the folded sketch for each row and matrix.
pub(crate) const INDEX_VALUES: &str = "values";

/// The kind that a file of partial sums records.
pub(crate) const RESUME: &str = "neural-phylogeny partial sums";
/// Version of a file of partial sums. It is raised when the content of the file or the way of summing values changes.
pub(crate) const RESUME_VERSION: u32 = 3;

/// Returns the name of the random map, which the headers of sketches and indexes record.
///
/// It consists of the version of the map and a digest of its constants. Two builds that differ in one of them therefore refuse
/// each other's sketches.
pub(crate) fn map() -> String {
    let mut digest = Xxh3::new();
    let shifts = SPLITMIX_SHIFTS.map(u64::from);
    let sizes = [JOB, BASE, DIGITS, LINE_SHARE, SHORTEST_LINE].map(|size| size as u64);
    let words = [SPLITMIX_STEP, SPLITMIX_FIRST, SPLITMIX_SECOND, TALL.to_bits(), LINE_SALT];
    for word in shifts.into_iter().chain(sizes).chain(words) {
        digest.update(&word.to_le_bytes());
    }
    format!("{MAP_VERSION}-{:016x}", digest.digest())
}
