//! Every number and word that a stored byte depends on.
//!
//! A sketch is compared with sketches that other builds wrote, on other machines, years apart. What stands here must therefore
//! never change for speed. Whoever changes it makes another format: raise the version of what is concerned, write new golden
//! files (`tests/golden/store/README.md`), and say so in the changelog. `tests/mutate_format.sh` shows that each of these
//! constants is held by a test.
//!
//! What only decides how fast bytes are made is not here: lengths of blocks, numbers of threads, waves.

use xxhash_rust::xxh3::Xxh3;

/// Values in one job of a fingerprint, of a sketch's sums and of the pass over all models.
///
/// A fingerprint chains the hashes of its jobs, and partial sums count jobs. Reads may be of any length within a job.
pub(crate) const JOB: usize = 1 << 18;

/// Version of the map behind sketches: raised when the algorithm changes and not only a constant of it.
pub(crate) const MAP_VERSION: u64 = 1;

/// SplitMix64 (Steele, Lea & Flood, doi:10.1145/2660193.2660195): the step of its counter, and the two factors and three shifts
/// of its finalizer.
pub(crate) const SPLITMIX_STEP: u64 = 0x9e37_79b9_7f4a_7c15;
/// First factor.
pub(crate) const SPLITMIX_FIRST: u64 = 0xbf58_476d_1ce4_e5b9;
/// Second factor.
pub(crate) const SPLITMIX_SECOND: u64 = 0x94d0_49bb_1331_11eb;
/// Shifts before the first factor, between both, and after the second.
pub(crate) const SPLITMIX_SHIFTS: [u32; 3] = [30, 27, 31];

/// Values that the map adds to consecutive places together; the least width of a sketch.
pub(crate) const BASE: usize = 256;

/// Matrices with more rows than this for each element of a row are likely to be of a vocabulary, to which rows may be added: they
/// are sketched in segments.
pub(crate) const TALL: f64 = 3.5;

/// Random sums that a sketch keeps of each line.
pub(crate) const DIGITS: usize = 8;

/// A sketch keeps lines of each direction by its width divided by this.
pub(crate) const LINE_SHARE: usize = 32;

/// Rows and columns of fewer values are multiples of one another too easily, and no sketch keeps them.
pub(crate) const SHORTEST_LINE: usize = 8;

/// Sets the signs of lines apart from those of the map: `lines` in ASCII.
pub(crate) const LINE_SALT: u64 = 0x6c69_6e65_7300_0000;

/// What the file of a sketch says it is; its number is raised with the form of the file.
pub(crate) const SKETCH: &str = "neural-phylogeny sketch 2";
/// Tensors in the file of a sketch.
pub(crate) const SKETCH_VALUES: &str = "values";
/// Five moments for each segment.
pub(crate) const SKETCH_MOMENTS: &str = "moments";
/// Two halves for each segment.
pub(crate) const SKETCH_FINGERPRINTS: &str = "fingerprints";

/// Version of the settings of a store.
pub(crate) const STORE_VERSION: u64 = 2;

/// How the file of a store's entry ends, after the hash of its name.
pub(crate) const ENTRY_SUFFIX: &str = ".safetensors";

/// The file of a store's index.
pub(crate) const INDEX_FILE: &str = "index.safetensors";
/// What the file of an index says it is.
pub(crate) const INDEX: &str = "neural-phylogeny index 2";
/// Matrices that an index keeps of a model.
pub(crate) const INDEX_MATRICES: usize = 8;
/// Depths that the matrix of a kind may be taken from.
pub(crate) const INDEX_DEPTHS: usize = 8;
/// Smaller matrices stand for no model.
pub(crate) const INDEX_LEAST_SIZE: usize = 64;
/// Values kept of each matrix: the least width of a sketch, to which all others fold.
pub(crate) const INDEX_WIDTH: usize = BASE;
/// Rows that one checksum is of.
pub(crate) const INDEX_CHUNK: usize = 64;
/// Tensors in the file of an index.
pub(crate) const INDEX_ROWS: &str = "rows";
/// Names of all models, one after another.
pub(crate) const INDEX_NAMES: &str = "names";
/// One for each chunk.
pub(crate) const INDEX_CHECKSUMS: &str = "checksums";
/// Mean and second moment for each row and matrix.
pub(crate) const INDEX_MOMENTS: &str = "moments";
/// The folded sketch for each row and matrix.
pub(crate) const INDEX_VALUES: &str = "values";

/// What a file of partial sums says it is.
pub(crate) const RESUME: &str = "neural-phylogeny partial sums";
/// Raised whenever the content of the file or the way that values are summed changes.
pub(crate) const RESUME_VERSION: u32 = 2;
/// A model nearer to another than this share of its squared norm is read as a difference from it: partial sums are of these rows.
pub(crate) const NEAR: f64 = 0.5;

/// What the header of a sketch and of an index calls the map they were made with: its version, and a digest of its constants, so
/// that two builds that differ in one of them do not take the other's sketches for their own.
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
