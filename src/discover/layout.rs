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
    /// An adapter over the model that it adapts.
    Adapter {
        /// What wrote the adapter, such as `peft adapter`.
        kind: String,
        /// Where the base model was found.
        base: PathBuf,
        /// The base that the adapter records: a path, or an identifier such as `org/name`. `None` when it records none.
        recorded: Option<String>,
        /// How the base was found.
        found: BaseRule,
    },
}

/// The rule by which the base of an adapter was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BaseRule {
    /// The option for this base, or for this adapter, gives it.
    GivenFor,
    /// The recorded path leads to it.
    Path,
    /// A hub cache holds it under the recorded identifier.
    HubCache,
    /// It is the one model found that has the recorded name: both last components of it, or the only one.
    Name,
    /// The option for adapters without a base of their own gives it.
    Given,
}

impl fmt::Display for BaseRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GivenFor | Self::Given => "given by a base option",
            Self::Path => "found at that path",
            Self::HubCache => "found in the hub cache",
            Self::Name => "found by that name",
        })
    }
}

impl fmt::Display for FileLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { format } => write!(f, "{format} file"),
            Self::Shards { format } => write!(f, "{format} shards"),
            Self::Transformers => f.write_str("transformers folder"),
            Self::Diffusers { part } => write!(f, "diffusers {part}"),
            Self::Adapter { kind, base, recorded, found } => {
                write!(f, "{kind} over {}", base.display())?;
                match recorded {
                    Some(recorded) => write!(f, " (recorded as {recorded}, {found})"),
                    None => write!(f, " ({found})"),
                }
            }
        }
    }
}
