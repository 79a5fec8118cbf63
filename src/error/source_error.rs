use super::chain;
use std::io;
use std::path::PathBuf;

/// What can be wrong with one model's files or parameters.
///
/// A source knows no model name; [`Error::Source`](crate::Error::Source) adds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The operating system refused a file or folder.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A path that does not exist was given.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// A folder contains itself through a symbolic link.
    #[error("{} leads back to {}: symbolic link loop, remove the link or give a folder below it", path.display(), target.display())]
    SymlinkLoop {
        /// The link.
        path: PathBuf,
        /// The folder above it that it points to.
        target: PathBuf,
    },
    /// A file ends before its header says it does, or shrank while it was read.
    #[error("{} is truncated: found {found} bytes, expected {expected}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
        /// The length its header asks for.
        expected: u64,
    },
    /// A file goes on after its last tensor.
    #[error("{} has {found} bytes, its header accounts for {expected}", path.display())]
    TrailingBytes {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
        /// The length its header asks for.
        expected: u64,
    },
    /// A header length above what the safetensors format allows.
    #[error("{} announces a header of {found} bytes, at most {limit} are allowed: not a safetensors file, or a hostile one", path.display())]
    HeaderTooLarge {
        /// The file.
        path: PathBuf,
        /// The length announced.
        found: u64,
        /// The format's cap, 100,000,000 bytes.
        limit: u64,
    },
    /// A Git LFS pointer that stands where the weights should be.
    #[error("{} is a Git LFS pointer, not the weights: fetch them with `git lfs pull`", path.display())]
    LfsPointer {
        /// The file.
        path: PathBuf,
    },
    /// A header or a JSON file that does not parse.
    #[error("{} is not valid JSON of the expected form: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why parsing stopped.
        source: serde_json::Error,
    },
    /// One name, two tensors, in one header or index.
    #[error("tensor `{tensor}` is listed twice in {}", path.display())]
    DuplicateTensor {
        /// The file or index.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// Offsets that overlap, leave a hole, or run backwards.
    #[error("tensor `{tensor}` of {} has data offsets [{begin}, {end}], expected them to begin at {expected} and not to run backwards", path.display())]
    InvalidOffsets {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Offset of its first byte, from the header.
        begin: u64,
        /// Offset after its last byte, from the header.
        end: u64,
        /// Where the tensor before it ends.
        expected: u64,
    },
    /// A tensor whose byte count is not that of its shape and dtype.
    #[error("tensor `{tensor}` of {} holds {found} bytes, shape {shape:?} in {dtype} needs {expected}", path.display())]
    SizeMismatch {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Its dtype as the file spells it.
        dtype: String,
        /// Bytes between its offsets.
        found: u64,
        /// Bytes its shape needs.
        expected: u64,
    },
    /// A shape whose element count does not fit in 64 bits.
    #[error("tensor `{tensor}` of {} has shape {shape:?}, more elements than can be counted", path.display())]
    ShapeOverflow {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A dtype that cannot be widened to f32.
    #[error("tensor `{tensor}` of {} has dtype {dtype}, which cannot be read as a weight; supported: F64, F32, F16, BF16, F8_E4M3, F8_E5M2, integers and BOOL", path.display())]
    UnsupportedDtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The dtype as the file spells it.
        dtype: String,
    },
    /// Values were asked of a sketch that does not hold them.
    #[error("tensor `{parameter}` has {size} values, the sketch keeps {kept} sums of them: read the model itself")]
    Sketched {
        /// The tensor.
        parameter: String,
        /// Its number of values.
        size: usize,
        /// How many sums the sketch keeps.
        kept: usize,
    },
    /// Sketches that cannot be put together or compared.
    #[error("sketch with {found}, expected {expected}")]
    SketchMismatch {
        /// What the sketch is.
        found: String,
        /// What the others are.
        expected: String,
    },
    /// A file that is no sketch, or one whose header is not true of it.
    #[error("{} is not a sketch: found {found}, expected {expected}", path.display())]
    NotASketch {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// What a sketch holds.
        expected: String,
    },
    /// A sketch whose bytes are not those that were written.
    #[error("sketch {} is damaged: its {what} is {found}, expected {expected}; remove it and sketch the model again", path.display())]
    SketchDamaged {
        /// The file.
        path: PathBuf,
        /// What does not agree: `content hash`, `checksum`, `name` or `seed`.
        what: &'static str,
        /// As computed from the file, or its place in the store.
        found: String,
        /// As recorded.
        expected: String,
    },
    /// A sketch or a store of sketches that a build with another random map made: the numbers of both cannot be compared.
    #[error("{} was made with the random map {found}, expected {expected}: sketch the models again with this version, or use the version that made it", path.display())]
    SketchMap {
        /// The file.
        path: PathBuf,
        /// Version and digest of the map that the file records.
        found: String,
        /// Version and digest of this build's map.
        expected: String,
    },
    /// A folder that is no store of sketches.
    #[error("{} is not a store of sketches: {reason}", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A temporary file of a run that did not end.
    #[error("{} was left by a run that stopped: remove it", path.display())]
    Leftover {
        /// The file.
        path: PathBuf,
    },
    /// An index names a shard that is not there.
    #[error("shard {} is missing, needed by {}", shard.display(), index.display())]
    ShardMissing {
        /// The index, or the folder when shards have none.
        index: PathBuf,
        /// The shard.
        shard: PathBuf,
    },
    /// An index and its shards disagree about where a tensor is.
    #[error("tensor `{tensor}` is listed in {} as part of {expected}, found {found}", index.display())]
    ShardMismatch {
        /// The index.
        index: PathBuf,
        /// The tensor.
        tensor: String,
        /// The shard the index names.
        expected: String,
        /// Where the tensor really is: a shard's name, or `nowhere`.
        found: String,
    },
    /// A tensor that a shard holds and the index does not list.
    #[error("tensor `{tensor}` of {} is not listed in {}", shard.display(), index.display())]
    TensorNotIndexed {
        /// The index.
        index: PathBuf,
        /// The shard.
        shard: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// An index that names a shard outside its own folder.
    #[error("{} lists shard `{shard}`, expected a file in the same folder", index.display())]
    ShardOutside {
        /// The index.
        index: PathBuf,
        /// The shard as the index spells it.
        shard: String,
    },
    /// One tensor in two shards.
    #[error("tensor `{tensor}` stands in two shards, {} and {}", first.display(), second.display())]
    TensorInTwoShards {
        /// The tensor.
        tensor: String,
        /// The first shard.
        first: PathBuf,
        /// The second shard.
        second: PathBuf,
    },
    /// A file or folder in a format that is not read.
    #[error("{} is {format}: not supported, convert it to safetensors", path.display())]
    UnsupportedFormat {
        /// The file or folder.
        path: PathBuf,
        /// What it looks like.
        format: String,
    },
    /// A file or folder in which no weights were found.
    #[error("{} holds no weights: expected {expected}", path.display())]
    NoWeights {
        /// The file or folder.
        path: PathBuf,
        /// What was looked for.
        expected: String,
    },
    /// NaN or infinity in a trained parameter.
    #[error(
        "parameter `{parameter}` holds {value} at element {index}, expected finite values: the checkpoint is damaged or training diverged"
    )]
    NotFinite {
        /// The parameter.
        parameter: String,
        /// Index of the first such element, row-major.
        index: usize,
        /// `NaN`, `inf` or `-inf`.
        value: f32,
    },
    /// A parameter that the source does not have was asked for.
    #[error("no parameter `{parameter}`")]
    UnknownParameter {
        /// The name asked for.
        parameter: String,
    },
    /// Stored bytes were asked for, and the source has values alone.
    #[error("the stored bytes of parameter `{parameter}` are not at hand, its values are")]
    NoBytes {
        /// The parameter.
        parameter: String,
    },
    /// A read beyond the end of a parameter.
    #[error("elements {offset}..{end} of parameter `{parameter}` were asked for, it has {size}")]
    OutOfRange {
        /// The parameter.
        parameter: String,
        /// First element asked for.
        offset: usize,
        /// One past the last element asked for.
        end: usize,
        /// How many it has.
        size: usize,
    },
    /// Values whose count is not that of the shape.
    #[error("parameter `{parameter}` has {found} values, shape {shape:?} needs {expected}")]
    ShapeMismatch {
        /// The parameter.
        parameter: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Values given.
        found: usize,
        /// Values the shape needs.
        expected: usize,
    },
    /// One name, two parameters, in one model.
    #[error("parameter `{parameter}` is given twice")]
    DuplicateParameter {
        /// The parameter.
        parameter: String,
    },
    /// An adapter whose base model could not be found.
    #[error("adapter {} needs its base model: {reason}; name it with a base option", path.display())]
    BaseMissing {
        /// The adapter's folder.
        path: PathBuf,
        /// What was looked for and where.
        reason: String,
    },
    /// An adapter of a kind that is not computed.
    #[error("adapter {} uses {feature}, which is not supported: merge it into its base and give the merged model", path.display())]
    AdapterUnsupported {
        /// The adapter's folder.
        path: PathBuf,
        /// What it uses.
        feature: String,
    },
    /// An adapter that does not fit its base.
    #[error("adapter tensor `{tensor}` of {} does not fit its base: found {found}, expected {expected}", path.display())]
    AdapterMismatch {
        /// The adapter's folder.
        path: PathBuf,
        /// The adapter's tensor.
        tensor: String,
        /// What it has.
        found: String,
        /// What the base asks for.
        expected: String,
    },
    /// An adapter whose base is, directly or by way of other adapters, itself.
    #[error("adapter {} is its own base, by way of {}", path.display(), base.display())]
    AdapterCycle {
        /// The adapter's folder.
        path: PathBuf,
        /// The base that leads back to it.
        base: PathBuf,
    },
    /// An outside [`ParameterSource`](crate::ParameterSource) failed in its own way.
    #[error("{message}{}", reason(.source.as_deref()))]
    Other {
        /// What failed.
        message: String,
        /// Its cause, if any.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

/// The cause of an error, after a colon.
fn reason(source: Option<&(dyn std::error::Error + Send + Sync + 'static)>) -> String {
    source.map_or_else(String::new, |source| format!(": {}", chain(source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_carries_its_reason() {
        let source = || io::Error::other("disk on fire");
        let failed = SourceError::Io { path: "a/b".into(), source: source() };
        assert_eq!(failed.to_string(), "cannot read a/b: disk on fire");
        assert_eq!(chain(&failed), failed.to_string());
        let other = SourceError::Other { message: "no answer".into(), source: Some(source().into()) };
        assert_eq!(other.to_string(), "no answer: disk on fire");
        assert_eq!(SourceError::Other { message: "no answer".into(), source: None }.to_string(), "no answer");
    }

    #[test]
    fn an_error_is_small_enough_for_a_result() {
        assert!(size_of::<SourceError>() <= 128, "{} bytes", size_of::<SourceError>());
    }
}
