use std::fmt;
use std::path::PathBuf;

/// The layout of a model's files.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileLayout {
    /// One file.
    File {
        /// The name of its format, such as `safetensors`.
        format: String,
    },
    /// Several files of one model. An index lists them, or they are numbered.
    Shards {
        /// The name of their format, such as `safetensors`.
        format: String,
    },
    /// A folder written by transformers.
    Transformers,
    /// A part of a pipeline written by diffusers.
    Diffusers {
        /// The part, such as `unet`.
        part: String,
    },
    /// An adapter written by peft, over the model that it adapts.
    Adapter {
        /// Where the base model was found.
        base: PathBuf,
    },
}

impl fmt::Display for FileLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { format } => write!(f, "{format} file"),
            Self::Shards { format } => write!(f, "{format} shards"),
            Self::Transformers => f.write_str("transformers folder"),
            Self::Diffusers { part } => write!(f, "diffusers {part}"),
            Self::Adapter { base } => write!(f, "peft adapter over {}", base.display()),
        }
    }
}
