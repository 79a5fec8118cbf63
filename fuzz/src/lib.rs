//! What the fuzz targets share: files in memory, and a reader that takes some values of every tensor.
#![forbid(unsafe_code)]

mod input;
mod scratch;
mod tree;
mod values;

pub use input::parts;
pub use scratch::Scratch;
pub use tree::Tree;
pub use values::read;

use neural_phylogeny::bytes::Folder;
use neural_phylogeny::discover::Discovery;
use neural_phylogeny::format::{BEGINNING, Format};
use std::path::Path;

/// The base of every adapter.
pub const BASE: &[u8] = include_bytes!("../../tests/data/formats/adapters/base/net.safetensors");

/// Opens a file in a format, and reads its tensors. Further parts of the input stand beside it as `NAME.data`.
pub fn open(format: &dyn Format, name: &str, data: &[u8]) {
    let parts = parts(data);
    let beside = format!("{name}.data");
    let names = [name, &beside];
    let tree = Tree::new(names.into_iter().zip(parts.iter().copied()));
    let _ = format.recognizes(name, &parts[0][..parts[0].len().min(BEGINNING)]);
    let Ok(bytes) = tree.open(Path::new(name)) else { return };
    if let Ok(tensors) = format.open_in(&tree, bytes) {
        let _ = (tensors.metadata(), tensors.left_out());
        read(&tensors);
    }
}

/// Searches a tree, and reads the tensors of every model that is found. The base of adapters is [`BASE`].
pub fn search<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) {
    let tree = Tree::new(files.into_iter().chain([("/base/net.safetensors", BASE)]));
    let discovery = Discovery::new().with_base("/base/net.safetensors").with_tree(tree);
    let Ok(found) = discovery.search(["/given"]) else { return };
    for model in &found.models {
        read(&*model.source);
    }
    for unreadable in &found.unreadable {
        let _ = unreadable.error.to_string();
    }
}
