use std::path::PathBuf;

/// The error of a model that stands in several files: shards, slices, or a graph with its data beside it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    /// An index names a shard that is not there.
    #[error("shard {} is missing, needed by {}", shard.display(), index.display())]
    Missing {
        /// The index, or the folder when shards have none.
        index: PathBuf,
        /// The shard.
        shard: PathBuf,
    },
    /// An index and its shards disagree about where a tensor is.
    #[error("tensor `{tensor}` is listed in {} as part of {expected}, found {found}", index.display())]
    Mismatch {
        /// The index.
        index: PathBuf,
        /// The tensor.
        tensor: String,
        /// The shard the index names.
        expected: String,
        /// Where the tensor really is: a shard's name, or `nowhere`.
        found: String,
    },
    /// A shard holds a tensor that the index does not list.
    #[error("tensor `{tensor}` of {} is not listed in {}", shard.display(), index.display())]
    NotIndexed {
        /// The index.
        index: PathBuf,
        /// The shard.
        shard: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// An index names a shard outside its own folder.
    #[error("{} lists shard `{shard}`, expected a file in the same folder", index.display())]
    Outside {
        /// The index.
        index: PathBuf,
        /// The shard, as the index spells it.
        shard: String,
    },
    /// Two shards hold the same tensor.
    #[error("tensor `{tensor}` stands in two shards, {} and {}", first.display(), second.display())]
    InTwo {
        /// The tensor.
        tensor: String,
        /// The first shard.
        first: PathBuf,
        /// The second shard.
        second: PathBuf,
    },
}
