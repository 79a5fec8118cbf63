//! Phylogeny → files that other programs read.

#[cfg(feature = "serde")]
mod answer;
#[cfg(feature = "serde")]
mod build;
#[cfg(feature = "serde")]
mod document;
mod dot;
mod heaviest;
#[cfg(feature = "serde")]
mod json;
mod newick;
mod newick_unrooted;
mod number;
#[cfg(feature = "serde")]
mod reasons;

#[cfg(feature = "serde")]
pub use answer::write_answer_json;
#[cfg(feature = "serde")]
pub(crate) use build::Parents;
pub use dot::write_dot;
pub(crate) use heaviest::HeaviestParent;
#[cfg(feature = "serde")]
pub(crate) use json::parse;
#[cfg(feature = "serde")]
pub use json::{read_json, write_explanation_json, write_json};
pub use newick::write_newick;
pub use newick_unrooted::write_newick_unrooted;
pub(crate) use number::{measured, significant};
