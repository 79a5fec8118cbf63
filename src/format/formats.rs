//! The list of supported file formats.

use super::{FileName, Format, Library, UnreadFormat, whole_name};
use crate::bytes::{self, Folder, Listing, ReadAt};
use crate::error::SourceError;
use crate::format::{BEGINNING, Tensors};
use std::path::Path;
use std::sync::Arc;

/// Extensions that programs give to files of any content.
const SHARED: [&str; 5] = ["bin", "pt", "pth", "ckpt", "pth.tar"];

/// The supported formats, at least one. Where two formats fit a file, the earlier one is used.
#[derive(Clone, Debug)]
pub(crate) struct Formats(Vec<Arc<dyn Format>>);

impl Default for Formats {
    fn default() -> Self {
        Self(super::read_formats())
    }
}

impl Formats {
    /// Adds a format at the end, or replaces the format that has its name.
    pub(crate) fn add(&mut self, format: Arc<dyn Format>) {
        match self.0.iter_mut().find(|f| f.name() == format.name()) {
            Some(place) => *place = format,
            None => self.0.push(format),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<dyn Format>> {
        self.0.iter()
    }

    /// Parses the name of a weights file. `None` when no format has such a name, and for the state of a trainer.
    pub(crate) fn parse(&self, name: &str) -> Option<FileName<'_>> {
        let file = self.0.iter().find_map(|format| FileName::parse(name, format))?;
        // Trainers keep their state in files that are like those of weights, except in safetensors.
        let state = UnreadFormat::is_state(name) && self.is_ambiguous(file.format.name());
        (!state).then_some(file)
    }

    /// Returns the unsupported format that a file has by its name, if any.
    pub(crate) fn unread(&self, name: &str) -> Option<&'static UnreadFormat> {
        if self.parse(name).is_some() { None } else { UnreadFormat::of_file(name) }
    }

    /// Returns the file names that a library's weights may have when they are one file. The preferred name comes first.
    pub(crate) fn names_of(&self, library: Library) -> impl Iterator<Item = String> {
        self.0
            .iter()
            .filter_map(move |f| Some((f, f.stem(library)?)))
            .flat_map(|(format, stem)| format.extensions().iter().map(move |extension| whole_name(stem, extension)))
    }

    /// Returns the file name of a whole model in the first format, for error messages that say what is expected.
    pub(crate) fn usual_name(&self, library: Library) -> String {
        self.names_of(library).next().unwrap_or_else(|| library.stem().to_owned())
    }

    /// Opens one file in the format that its name and its first bytes show.
    ///
    /// # Errors
    ///
    /// The error of the tree or the format. The first format opens a file that no format recognizes, and reports what is wrong.
    pub(crate) fn open(&self, tree: &dyn Folder, path: &Path) -> Result<Tensors, SourceError> {
        let bytes = tree.open(path)?;
        self.of(&*bytes)?.open_in(tree, bytes)
    }

    /// Returns the name of the format in which a file is opened. If the file cannot be read, it is the first format.
    pub(crate) fn of_file(&self, tree: &dyn Folder, path: &Path) -> String {
        let bytes = tree.open(path);
        let format = bytes.as_ref().ok().and_then(|bytes| self.of(&**bytes).ok());
        format.unwrap_or(&self.0[0]).name().to_owned()
    }

    /// Returns the name of the format that a file has by its first bytes. `None` when no format knows them.
    pub(crate) fn recognized(&self, tree: &dyn Folder, path: &Path) -> Option<String> {
        let object = tree.open(path).ok()?;
        let beginning = bytes::beginning(&*object, BEGINNING).ok().filter(|beginning| !beginning.is_empty())?;
        // The name of such a file says nothing, so that a format must not go by it.
        self.0.iter().find(|f| f.recognizes("", &beginning)).map(|f| f.name().to_owned())
    }

    /// Whether files with the endings of a format of this crate often hold other things. So it is for all but safetensors.
    pub(crate) fn is_ambiguous(&self, format: &str) -> bool {
        format != super::Safetensors.name() && super::read_formats().iter().any(|f| f.name() == format)
    }

    /// Returns the format of an object. Its first bytes are read only where the name fits no format, or several.
    fn of(&self, bytes: &dyn ReadAt) -> Result<&Arc<dyn Format>, SourceError> {
        let name = bytes.path().file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let mut named = self.0.iter().filter(|f| FileName::parse(&name, f).is_some());
        let (first, second) = (named.next(), named.next());
        if let (Some(format), None) = (first, second) {
            return Ok(format);
        }
        let beginning = bytes::beginning(bytes, BEGINNING)?;
        let recognized = self.0.iter().find(|f| !beginning.is_empty() && f.recognizes(&name, &beginning));
        Ok(recognized.or(first).unwrap_or(&self.0[0]))
    }

    /// Whether a file only has the extension of a format, and is one of another program by its first bytes.
    ///
    /// The names that libraries give to weights are trusted: such a file with other bytes is damaged.
    pub(crate) fn is_foreign(&self, tree: &dyn Folder, path: &Path, name: &str) -> bool {
        let Some(named) = self.parse(name).filter(|n| SHARED.contains(&n.extension)) else { return false };
        let libraries = [Library::Transformers, Library::Diffusers, Library::Peft];
        let stems = libraries.iter().filter_map(|library| named.format.stem(*library));
        if stems.into_iter().any(|stem| name.starts_with(stem)) {
            return false;
        }
        let beginning = tree.open(path).and_then(|bytes| bytes::beginning(&*bytes, BEGINNING));
        // A file that cannot be read stays where it is: opening it gives the error.
        let fits = |format: &&Arc<dyn Format>, beginning: &[u8]| {
            FileName::parse(name, format).is_some() && format.recognizes(name, beginning)
        };
        beginning.is_ok_and(|beginning| !self.0.iter().any(|format| fits(&format, &beginning)))
    }

    /// Opens the one weights file of a library in a folder. `beside` is the file that makes us expect it there.
    ///
    /// # Errors
    ///
    /// [`SourceError::UnsupportedFormat`] when the weights have a format that is not supported; [`SourceError::NoWeights`] when
    /// there are none; any other error of the format.
    pub(crate) fn open_weights(
        &self,
        tree: &dyn Folder,
        folder: &Path,
        library: Library,
        beside: &str,
    ) -> Result<Tensors, SourceError> {
        // A listing is needed only for the error, so the names are tried first.
        for name in self.names_of(library) {
            match self.open(tree, &folder.join(name)) {
                Err(SourceError::NotFound { .. }) => {}
                other => return other,
            }
        }
        let stem = library.stem();
        let listing = Listing::read(tree, folder)?;
        let named = listing.files.iter().filter(|f| f.name.rsplit_once('.').is_some_and(|(name, _)| name == stem));
        match named.filter_map(|file| Some((file, self.unread(&file.name)?))).next() {
            Some((file, format)) => {
                Err(SourceError::UnsupportedFormat { path: file.path.clone(), format: format.described() })
            }
            None => Err(SourceError::NoWeights {
                path: folder.to_owned(),
                expected: format!("{} beside {beside}", self.usual_name(library)),
            }),
        }
    }
}
