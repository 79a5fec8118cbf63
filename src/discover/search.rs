//! The walk through the given paths, which gathers everything that looks like a model.

use super::checkpoint::{self, Checkpoint, Content, Part};
use super::surroundings::{OnUnsearchable, Surroundings, layout_of};
use super::{Ignored, flat, names, ollama};
use crate::bytes::{Entry, EntryKind, Listing};
use crate::error::SourceError;
use crate::format::{FilePart, index_name, shard_name, slice_name};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

/// The file that marks a folder as a store of sketches.
pub(crate) const SKETCHES: &str = "sketches.json";

/// A file or folder that looks like a model and is not opened yet.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) name: String,
    /// The given folder that holds it, with links resolved. Its last components come in front of the name where names collide.
    pub(super) root: PathBuf,
    /// The folder, file or index.
    pub(super) path: PathBuf,
    pub(super) content: Content,
    pub(super) origin: Origin,
}

/// How a candidate was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Its path was given.
    Given,
    /// It lies below a given path.
    Found,
}

/// Everything that a search found, each once.
pub(super) struct Found {
    pub(super) candidates: Vec<Candidate>,
    pub(super) ignored: Vec<Ignored>,
}

/// Finds everything that looks like a model below the given paths.
pub(super) fn search(around: &Surroundings, paths: &[PathBuf]) -> Result<Found, SourceError> {
    let (candidates, ignored, visited, links) = Default::default();
    let mut search = Search { around, candidates, ignored, visited, links };
    let mut given: Vec<(PathBuf, &PathBuf)> = Vec::with_capacity(paths.len());
    for path in paths {
        around.tree.entry(path)?;
        given.push((around.tree.identity(path)?, path));
    }
    // A folder comes before those in it, so that names do not depend on the order of the given paths.
    given.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (_, path) in given {
        search.given(path)?;
    }
    // Real folders come first, so that a model behind a link keeps the name of its real path.
    search.links()?;
    let Search { mut candidates, mut ignored, .. } = search;
    without_repeats(around, &mut candidates, &mut ignored);
    Ok(Found { candidates, ignored })
}

/// The state of one search.
#[derive(Debug)]
struct Search<'a> {
    around: &'a Surroundings,
    candidates: Vec<Candidate>,
    ignored: Vec<Ignored>,
    /// The folders that were searched: for each resolved path, the path by which it was reached.
    visited: BTreeMap<PathBuf, PathBuf>,
    /// Folders behind links. They are searched after all real folders.
    links: VecDeque<Folder>,
}

/// A folder to search.
#[derive(Clone, Debug)]
struct Folder {
    path: PathBuf,
    /// The name of the model if the folder itself is one.
    name: String,
    /// The beginning of the names of models in it. It is empty or ends in `/`.
    prefix: String,
    root: PathBuf,
    /// The folders that hold it, with links resolved.
    above: Vec<PathBuf>,
}

impl Search<'_> {
    fn given(&mut self, path: &Path) -> Result<(), SourceError> {
        let entry = self.around.tree.entry(path)?;
        let name = names::of_given(self.around, path);
        if entry.kind == EntryKind::Folder {
            let root = names::location(self.around, path);
            let folder = Folder { path: path.to_owned(), name, prefix: String::new(), root, above: Vec::new() };
            return self.folder(&folder);
        }
        self.given_file(path, name);
        Ok(())
    }

    fn given_file(&mut self, path: &Path, name: String) {
        let file = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let root = names::parent_of_given(self.around, path);
        let content = if let Some(file) = self.around.formats.parse(&file) {
            if let FilePart::Slice { number: 1.. } = file.part {
                // Any slice stands for the whole model too.
                let first = path.with_file_name(slice_name(&file.stem, file.extension, 0));
                if self.around.is_file(&first) {
                    return self.given_file(&first, name);
                }
            }
            if let FilePart::Shard { count } = file.part {
                // Any shard stands for the whole model, so that `detect folder/*` finds the model only once.
                let index = path.with_file_name(index_name(&file.stem, file.extension));
                let first = path.with_file_name(shard_name(&file.stem, file.extension, 1, count));
                match [index, first].into_iter().find(|p| self.around.is_file(p)) {
                    Some(whole) if whole != path => return self.given_file(&whole, name),
                    _ => {}
                }
            }
            Content::Weights { layout: layout_of(&file), path: path.to_owned() }
        } else if let Some(format) = self.around.formats.unread(&file) {
            let format = format.described();
            Content::Unreadable(SourceError::UnsupportedFormat { path: path.to_owned(), format })
        } else {
            // `detect folder/*` also gives the documents of a folder, so a file that holds no weights is no error.
            self.ignored.push(Ignored::other(path, "no weights file by its name"));
            return;
        };
        self.candidates.push(Candidate { name, root, path: path.to_owned(), content, origin: Origin::Given });
    }

    fn folder(&mut self, folder: &Folder) -> Result<(), SourceError> {
        let real = self.around.tree.identity(&folder.path)?;
        // A link to a folder above would be walked for ever.
        if folder.above.contains(&real) {
            let error = SourceError::SymlinkLoop { path: folder.path.clone(), target: real };
            return self.unsearchable(folder, error);
        }
        if let Some(first) = self.visited.get(&real) {
            self.ignored.push(Ignored::repeated(&folder.path, format!("the same folder as {}", first.display())));
            return Ok(());
        }
        self.visited.insert(real.clone(), folder.path.clone());

        let listing = match Listing::read(&*self.around.tree, &folder.path) {
            Ok(listing) => listing,
            Err(error @ SourceError::Outside { .. }) => {
                self.ignored.push(Ignored::unread(&folder.path, "a link", error.to_string()));
                return Ok(());
            }
            Err(error) => return self.unsearchable(folder, error),
        };
        if listing.file(SKETCHES).is_some() {
            // The files of a store look like models by their names.
            self.ignored.push(Ignored::other(&folder.path, "a store of sketches"));
            return Ok(());
        }
        for link in listing.files.iter().filter(|file| file.is_link) {
            self.link(folder, link)?;
        }
        let parts = self.models_of(folder, &listing);

        let above: Vec<PathBuf> = folder.above.iter().cloned().chain([real]).collect();
        for entry in listing.folders.iter().filter(|f| !parts.contains(&f.name)) {
            let name = format!("{}{}", folder.prefix, entry.name);
            let prefix = format!("{name}/");
            let (path, root, above) = (entry.path.clone(), folder.root.clone(), above.clone());
            let inner = Folder { path, name, prefix, root, above };
            match entry.is_link {
                true => self.links.push_back(inner),
                false => self.folder(&inner)?,
            }
        }
        Ok(())
    }

    /// Reports a folder that cannot be searched. Its models are not known, so that it stands for one that cannot be read.
    fn unsearchable(&mut self, folder: &Folder, error: SourceError) -> Result<(), SourceError> {
        if self.around.on_unsearchable == OnUnsearchable::Stop || folder.above.is_empty() {
            return Err(error);
        }
        let (name, root, path) = (folder.name.clone(), folder.root.clone(), folder.path.clone());
        let content = Content::Unreadable(error);
        self.candidates.push(Candidate { name, root, path, content, origin: Origin::Found });
        Ok(())
    }

    /// Reports a link whose end is not known. It may lead to a folder of models. A link that leads nowhere is no such link.
    fn link(&mut self, folder: &Folder, link: &Entry) -> Result<(), SourceError> {
        let error = match self.around.tree.entry(&link.path) {
            Ok(_) | Err(SourceError::NotFound { .. }) => return Ok(()),
            Err(error) => error,
        };
        // Opening a weights file reports the error with the name of its model.
        if self.around.on_unsearchable == OnUnsearchable::List && self.around.formats.parse(&link.name).is_some() {
            return Ok(());
        }
        let name = format!("{}{}", folder.prefix, link.name);
        let (path, root, above) = (link.path.clone(), folder.root.clone(), vec![folder.path.clone()]);
        self.unsearchable(&Folder { path, name, prefix: String::new(), root, above }, error)
    }

    fn links(&mut self) -> Result<(), SourceError> {
        while let Some(folder) = self.links.pop_front() {
            self.folder(&folder)?;
        }
        Ok(())
    }

    /// Adds the models of a folder itself. Returns the names of the subfolders that are not searched.
    fn models_of(&mut self, folder: &Folder, listing: &Listing) -> Vec<String> {
        if let Some(checkpoint) = checkpoint::recognize(self.around, listing) {
            // The error of such a model already names one of these files.
            if !matches!(checkpoint.content, Content::Unreadable(SourceError::UnsupportedFormat { .. })) {
                self.unread(listing);
            }
            return self.checkpoint(folder, checkpoint);
        }
        if let Some((models, ignored)) = ollama::models(self.around, listing) {
            self.ignored.extend(ignored);
            for (name, content, path) in models {
                let root = folder.root.clone();
                self.candidates.push(Candidate { name, root, path, content, origin: Origin::Found });
            }
            return ollama::FOLDERS.map(str::to_owned).to_vec();
        }
        self.unread(listing);
        let (models, ignored) = flat::models(self.around, listing);
        self.ignored.extend(ignored);
        self.candidates.extend(models.into_iter().map(|(stem, content, path)| Candidate {
            name: format!("{}{stem}", folder.prefix),
            root: folder.root.clone(),
            path,
            content,
            origin: Origin::Found,
        }));
        Vec::new()
    }

    /// Adds the models of a folder that a library wrote.
    fn checkpoint(&mut self, folder: &Folder, found: Checkpoint) -> Vec<String> {
        let Checkpoint { content, further, parts, ignored } = found;
        self.ignored.extend(ignored);
        // A given folder that is itself a model has its own name already. Only the folder above can make it unique.
        let (root, origin) = match folder.prefix.is_empty() {
            true => (names::parent_of_given(self.around, &folder.path), Origin::Given),
            false => (folder.root.clone(), Origin::Found),
        };
        let main = (folder.name.clone(), folder.path.clone(), content);
        let named = |Part { name, path, content }| (format!("{}/{name}", folder.name), path, content);
        for (name, path, content) in std::iter::once(main).chain(further.into_iter().map(named)) {
            self.candidates.push(Candidate { name, root: root.clone(), path, content, origin });
        }
        parts
    }

    /// Lists the weights of a folder that have unsupported formats as ignored.
    fn unread(&mut self, listing: &Listing) {
        let mut pieces: BTreeMap<&str, usize> = BTreeMap::new();
        for file in &listing.files {
            let Some(format) = self.around.formats.unread(&file.name) else { continue };
            // The pieces of one model are said once.
            if format.is_in_pieces() {
                let before = pieces.entry(format.name()).or_default();
                *before += 1;
                if *before > 1 {
                    continue;
                }
            }
            self.ignored.push(self.around.unread(&file.path, format));
        }
    }
}

/// Removes candidates that were reached twice. A path that is no link is kept before one that is.
fn without_repeats(around: &Surroundings, candidates: &mut Vec<Candidate>, ignored: &mut Vec<Ignored>) {
    // A path that does not exist is a link to nothing, and counts as a link.
    candidates.sort_by_key(|c| around.tree.entry(&c.path).map_or(true, |entry| entry.is_link));
    let mut first: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    candidates.retain(|c| {
        let Ok(real) = around.tree.identity(&c.path) else { return true };
        match first.get(&real) {
            Some(taken) => {
                ignored.push(Ignored::repeated(&c.path, format!("the same file as {}", taken.display())));
                false
            }
            None => {
                first.insert(real, c.path.clone());
                true
            }
        }
    });
}
