//! Conformance checks for what a user of this crate writes (feature `testing`).
//!
//! Each check runs one contract and says in one sentence what was broken; call it from a test.

mod clusterer;

pub use clusterer::check_clusterer;
