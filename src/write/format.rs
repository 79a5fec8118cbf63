use crate::error::Error;
use crate::model_set::ModelId;
use crate::phylogeny::Phylogeny;
use crate::query::Answer;
use std::fmt::{self, Debug};
use std::io::Write;
use std::sync::Arc;

/// A thing that can be written.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Content<'a> {
    /// A whole result.
    Phylogeny(&'a Phylogeny),
    /// Why one model of a result has the parents it has.
    Explanation(&'a Phylogeny, ModelId),
    /// What one model is derived from among those of a store.
    Answer(&'a Answer),
}

impl Content<'_> {
    /// The kind of this content.
    pub fn kind(&self) -> ContentKind {
        match self {
            Self::Phylogeny(_) => ContentKind::Phylogeny,
            Self::Explanation(..) => ContentKind::Explanation,
            Self::Answer(_) => ContentKind::Answer,
        }
    }
}

/// The kinds of [`Content`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentKind {
    /// A whole result.
    Phylogeny,
    /// Why one model of a result has the parents it has.
    Explanation,
    /// What one model is derived from among those of a store.
    Answer,
}

impl fmt::Display for ContentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Phylogeny => "phylogeny",
            Self::Explanation => "explanation",
            Self::Answer => "answer",
        })
    }
}

/// A form in which results are written, such as JSON.
///
/// # Contract
///
/// - The same content gives the same bytes: no time, no path, no random order.
/// - [`write`](Self::write) succeeds for each of its [kinds](Self::kinds), and refuses the others.
///
/// ```
/// use neural_phylogeny::{Edge, Error, ModelId, Phylogeny};
/// use neural_phylogeny::write::{Content, ContentKind, OutputFormat};
/// use std::io::Write;
///
/// /// Parent and child, a line each.
/// #[derive(Debug)]
/// struct Pairs;
///
/// impl OutputFormat for Pairs {
///     fn name(&self) -> &'static str {
///         "pairs"
///     }
///     fn extension(&self) -> &'static str {
///         "tsv"
///     }
///     fn description(&self) -> &'static str {
///         "Parent and child, a line each"
///     }
///     fn kinds(&self) -> &'static [ContentKind] {
///         &[ContentKind::Phylogeny]
///     }
///     fn write(&self, content: &Content<'_>, writer: &mut dyn Write) -> Result<(), Error> {
///         let Content::Phylogeny(phylogeny) = content else { return Err(self.refuse(content.kind())) };
///         for edge in phylogeny.edges() {
///             let pair = format!("{}\t{}\n", phylogeny.name(edge.parent), phylogeny.name(edge.child));
///             writer.write_all(pair.as_bytes()).map_err(|source| Error::Write { source })?;
///         }
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let phylogeny = Phylogeny::from_edges(2, vec![Edge::new(ModelId::new(0), ModelId::new(1))])?;
/// let mut text = Vec::new();
/// Pairs.write(&Content::Phylogeny(&phylogeny), &mut text)?;
/// assert_eq!(text, b"0\t1\n");
/// # Ok(())
/// # }
/// ```
pub trait OutputFormat: Send + Sync + Debug {
    /// Its name on the command line, in lower case.
    fn name(&self) -> &'static str;

    /// The end of its files' names, without the dot.
    fn extension(&self) -> &'static str;

    /// Its use, in one line.
    fn description(&self) -> &'static str;

    /// The kinds of content it can write.
    fn kinds(&self) -> &'static [ContentKind];

    /// Writes one content.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] when the writer fails. [`Error::InvalidSetting`] for a kind that the form cannot write.
    fn write(&self, content: &Content<'_>, writer: &mut dyn Write) -> Result<(), Error>;

    /// Whether it can write a kind of content.
    fn writes(&self, kind: ContentKind) -> bool {
        self.kinds().contains(&kind)
    }

    /// The error for a kind of content that it cannot write.
    fn refuse(&self, kind: ContentKind) -> Error {
        let found = format!("`{}`, which has no form for this {kind}", self.name());
        Error::InvalidSetting { setting: "format", found, expected: "one that writes it" }
    }
}

/// Makes a pointer to a form a form.
macro_rules! forward {
    ($pointer:ty) => {
        impl<F: OutputFormat + ?Sized> OutputFormat for $pointer {
            fn name(&self) -> &'static str {
                (**self).name()
            }

            fn extension(&self) -> &'static str {
                (**self).extension()
            }

            fn description(&self) -> &'static str {
                (**self).description()
            }

            fn kinds(&self) -> &'static [ContentKind] {
                (**self).kinds()
            }

            fn write(&self, content: &Content<'_>, writer: &mut dyn Write) -> Result<(), Error> {
                (**self).write(content, writer)
            }
        }
    };
}

forward!(&F);
forward!(Box<F>);
forward!(Arc<F>);
