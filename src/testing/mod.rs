//! Checks that implementations outside this crate keep the contracts of its traits.
//!
//! Each takes an implementation and says, in words, the first promise that it breaks. Call them from a test.

mod source;

pub use source::check_parameter_source;
