use super::{ShardError, chain};
use std::io;
use std::path::PathBuf;

/// The error of one model's files or parameters.
///
/// A source does not know the name of its model; [`Error::Source`](crate::Error::Source) adds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The operating system refused a file or folder.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A path does not exist.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// The path, as given.
        path: PathBuf,
    },
    /// A folder contains itself through a symbolic link.
    #[error("{} leads back to {}: symbolic link loop, remove the link or give a folder below it", path.display(), target.display())]
    SymlinkLoop {
        /// The link.
        path: PathBuf,
        /// The folder above the link that it points to.
        target: PathBuf,
    },
    /// A file is shorter than its header says, or it became shorter while it was read.
    #[error("{} is truncated: found {found} bytes, expected {expected}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
        /// The length that its header, or the read, needs, in bytes.
        expected: u64,
    },
    /// A file has more bytes than its header accounts for, or it became longer while it was read.
    #[error("{} has {found} bytes, its header accounts for {expected}", path.display())]
    TrailingBytes {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
        /// The length that its header, or the read, needs, in bytes.
        expected: u64,
    },
    /// A header is longer than any that is read.
    #[error("{} announces a header of {found} bytes, at most {limit} are read: not a safetensors file, or a hostile one", path.display())]
    HeaderTooLarge {
        /// The file.
        path: PathBuf,
        /// The announced length, in bytes.
        found: u64,
        /// The most that is read: 32 MiB. The format allows 100,000,000 bytes, and no model needs them.
        limit: u64,
    },
    /// A Git LFS pointer stands where the weights should be.
    #[error("{} is a Git LFS pointer, not the weights: fetch them with `git lfs pull`", path.display())]
    LfsPointer {
        /// The file.
        path: PathBuf,
    },
    /// A header or a JSON file cannot be parsed.
    #[error("{} is not valid JSON of the expected form: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why parsing stopped.
        source: serde_json::Error,
    },
    /// A JSON file is larger than any of its kind needs to be. What is read of one is bounded, because JSON takes many times its
    /// length in memory.
    #[error("{} has {found} of JSON, expected {expected}: it is no configuration or index that is read", path.display())]
    TooMuchJson {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: String,
        /// The limit.
        expected: String,
    },
    /// A server did not give an object.
    #[error("cannot read {}: {reason}", path.display())]
    Remote {
        /// The address.
        path: PathBuf,
        /// What the server or the connection said. It holds no token, and no query of an address.
        reason: String,
    },
    /// An object changed while it was read.
    #[error("{} changed while it was read: run again", path.display())]
    Changed {
        /// The address.
        path: PathBuf,
    },
    /// A file is not what its format requires.
    #[error("{} is not a valid {format} file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The name of the format.
        format: String,
        /// What was found, and what was expected.
        reason: String,
    },
    /// A file is valid, but holds its weights in a way that is not supported.
    #[error("{} is a {format} file that is not read: {reason}", path.display())]
    UnsupportedContent {
        /// The file.
        path: PathBuf,
        /// The name of the format.
        format: String,
        /// What is not supported, and what to do.
        reason: String,
    },
    /// One header or index lists two tensors of the same name.
    #[error("tensor `{tensor}` is listed twice in {}", path.display())]
    DuplicateTensor {
        /// The file or index.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// The offsets of a tensor overlap another's, leave a hole, or run backwards.
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
    /// The byte count of a tensor does not fit its shape and dtype.
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
    /// The number of elements, or of bytes, of a shape is too large for a `usize`.
    #[error("tensor `{tensor}` of {} has shape {shape:?}, more elements than can be counted", path.display())]
    ShapeOverflow {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A tensor has a dtype that cannot be widened to f32.
    #[error("tensor `{tensor}` of {} has dtype {dtype}, which cannot be read as a weight; supported: F64, F32, F16, BF16, F8_E4M3, F8_E5M2, both with FNUZ too, integers and BOOL; convert it to one of these", path.display())]
    UnsupportedDtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The dtype as the file spells it.
        dtype: String,
    },
    /// A read needs values that the sketch does not hold.
    #[error("tensor `{parameter}` has {size} values, the sketch keeps {kept} sums of them: read the model itself")]
    Sketched {
        /// The tensor.
        parameter: String,
        /// Its number of values.
        size: usize,
        /// How many sums the sketch keeps.
        kept: usize,
    },
    /// Two sketches cannot be joined or compared.
    #[error("sketch with {found}, expected {expected}")]
    SketchMismatch {
        /// The property of this sketch.
        found: String,
        /// The same property of the others.
        expected: String,
    },
    /// A file is no sketch, or its header does not fit its content.
    #[error("{} is not a sketch: found {found}, expected {expected}", path.display())]
    NotASketch {
        /// The file.
        path: PathBuf,
        /// What the file holds.
        found: String,
        /// What a sketch holds.
        expected: String,
    },
    /// The bytes of a sketch are not the bytes that were written.
    #[error("sketch {} is damaged: its {what} is {found}, expected {expected}; remove it and sketch the model again", path.display())]
    SketchDamaged {
        /// The file.
        path: PathBuf,
        /// What does not agree: `content hash`, `checksum`, `name` or `seed`.
        what: &'static str,
        /// The value that was computed from the file, or from its place in the store.
        found: String,
        /// The value that was recorded.
        expected: String,
    },
    /// A sketch or a store of sketches was made with another random map than that of this build. Their numbers cannot be
    /// compared.
    #[error("{} was made with the random map {found}, expected {expected}: sketch the models again with this version, or use the version that made it", path.display())]
    SketchMap {
        /// The file.
        path: PathBuf,
        /// Version and digest of the map that the file records.
        found: String,
        /// Version and digest of this build's map.
        expected: String,
    },
    /// A folder is no store of sketches.
    #[error("{} is not a store of sketches: {reason}", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A run that did not finish left a temporary file behind.
    #[error("{} was left by a writer that was killed: the next one removes it", path.display())]
    Leftover {
        /// The file.
        path: PathBuf,
    },
    /// The files of one model do not fit together.
    #[error(transparent)]
    Shards(ShardError),
    /// A file or folder has a format that is not supported.
    #[error("{} is {format}: not supported, convert it to safetensors", path.display())]
    UnsupportedFormat {
        /// The file or folder.
        path: PathBuf,
        /// What it looks like.
        format: String,
    },
    /// A file or folder holds no weights.
    #[error("{} holds no weights: expected {expected}", path.display())]
    NoWeights {
        /// The file or folder.
        path: PathBuf,
        /// What was looked for.
        expected: String,
    },
    /// A trained parameter holds NaN or an infinity.
    #[error(
        "parameter `{parameter}` holds {value} at element {index}, expected finite values: the checkpoint is damaged or training diverged"
    )]
    NotFinite {
        /// The parameter.
        parameter: String,
        /// Row-major index of the first such element.
        index: usize,
        /// `NaN`, `inf` or `-inf`.
        value: f32,
    },
    /// A read names a parameter that the source does not have.
    #[error("no parameter `{parameter}`")]
    UnknownParameter {
        /// The name in the call.
        parameter: String,
    },
    /// A read needs the stored bytes, but the source has only values.
    #[error("the stored bytes of parameter `{parameter}` are not at hand, its values are")]
    NoBytes {
        /// The parameter.
        parameter: String,
    },
    /// A read goes beyond the end of a parameter.
    #[error("elements {offset}..{end} of parameter `{parameter}` are out of range: it has {size}")]
    OutOfRange {
        /// The parameter.
        parameter: String,
        /// First element of the read.
        offset: usize,
        /// One past the last element of the read.
        end: usize,
        /// How many elements the parameter has.
        size: usize,
    },
    /// The number of values does not fit the shape.
    #[error("parameter `{parameter}` has {found} values, shape {shape:?} needs {expected}")]
    ShapeMismatch {
        /// The parameter.
        parameter: String,
        /// Its shape.
        shape: Vec<usize>,
        /// How many values were given.
        found: usize,
        /// How many values the shape needs.
        expected: usize,
    },
    /// One model has two parameters of the same name.
    #[error("parameter `{parameter}` is given twice")]
    DuplicateParameter {
        /// The parameter.
        parameter: String,
    },
    /// A path leads outside the folders that were given to a search, which does not read there.
    #[error("{} leads outside the given folders, to {}: give its place too, or allow paths outside (`--allow-outside`)", path.display(), target.display())]
    Outside {
        /// The link, or the path that a model records.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// The base model of an adapter was not found.
    #[error("adapter {} needs its base model: {reason}; give it with a base option, as `--base {name}=PATH`", path.display())]
    BaseMissing {
        /// The adapter's folder or file.
        path: PathBuf,
        /// Why it was not found.
        reason: String,
        /// The base that is recorded, else the adapter's own name: a base option takes either.
        name: String,
    },
    /// An adapter uses a feature that this crate does not compute.
    #[error("adapter {} uses {feature}, which is not supported: merge it into its base and give the merged model", path.display())]
    AdapterUnsupported {
        /// The adapter's folder.
        path: PathBuf,
        /// The feature.
        feature: String,
    },
    /// An adapter holds no change of a weight, such as a prompt that was trained.
    #[error("adapter {} is {method}: it changes no weight of its base, so there is nothing to compare", path.display())]
    NotAWeightChange {
        /// The adapter's folder.
        path: PathBuf,
        /// The method, as peft names it.
        method: String,
    },
    /// An adapter does not fit its base.
    #[error("adapter tensor `{tensor}` of {} does not fit its base: found {found}, expected {expected}", path.display())]
    AdapterMismatch {
        /// The adapter's folder.
        path: PathBuf,
        /// The tensor of the adapter.
        tensor: String,
        /// What the adapter has.
        found: String,
        /// What would fit the base.
        expected: String,
    },
    /// An adapter is its own base, directly or through other adapters.
    #[error("adapter {} is its own base, by way of {}", path.display(), base.display())]
    AdapterCycle {
        /// The adapter's folder.
        path: PathBuf,
        /// The base that leads back to it.
        base: PathBuf,
    },
    /// A [`ParameterSource`](crate::ParameterSource) of another crate failed in its own way.
    #[error("{message}{}", reason(.source.as_deref()))]
    Other {
        /// What failed.
        message: String,
        /// Its cause, if any.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

/// Returns the text of the cause after a colon, or nothing when there is no cause.
fn reason(source: Option<&(dyn std::error::Error + Send + Sync + 'static)>) -> String {
    source.map_or_else(String::new, |source| format!(": {}", chain(source)))
}

#[cfg(test)]
mod tests;
