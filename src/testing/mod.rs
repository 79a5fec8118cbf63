//! Checks that implementations outside this crate keep the contracts of its traits (feature `testing`).
//!
//! Each check takes an implementation and returns the first promise that it breaks, a [`Violation`]. Call them from a test.

mod clusterer;
mod detector;
mod format;
mod networks;
mod selector;
mod source;
mod violation;

pub use clusterer::check_clusterer;
pub use detector::check_detector;
pub use format::check_format;
pub use selector::check_parent_selector;
pub use source::check_parameter_source;
pub use violation::Violation;
