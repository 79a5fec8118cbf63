//! Evidence that inner products cannot give: the values of a few models, read once more.

mod compute;
mod facts;
mod lines;
mod pair;
mod permutation;
mod prints;
mod sample;
mod shared;
mod values;

pub(crate) use facts::{facts, facts_of};
pub use lines::{Factor, LineState, Lines};
pub(crate) use shared::{SharedTensor, SharedTensors};
