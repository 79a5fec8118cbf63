//! Evidence that inner products cannot give: the values of a few models, read once more.

mod compute;
mod facts;
mod increments;
mod kept;
mod lines;
mod nearness;
mod noted;
mod pair;
mod permutation;
mod prints;
mod projection;
mod sample;
mod shared;
mod sweep;
mod together;
mod unrounded;
mod values;

pub(crate) use facts::{facts, facts_of};
pub use lines::{Factor, Imprint, LineState, Lines};
pub(crate) use shared::{SharedTensor, SharedTensors};
pub(crate) use values::values_of;
