//! One network under several names of its tensors.

mod correlation;
mod correspond;
mod link;
mod mutual;
mod natural;
mod resemblance;
mod rest;
mod rows;
mod sample;
mod side;
mod strip;
mod weight_norm;
mod whole;
mod wrapper;

pub(crate) use correspond::{Correspondence, correspondence};
pub(crate) use link::{Link, View, Viewed};
pub(crate) use natural::natural;
pub(crate) use resemblance::{Outline, could_hold, resemblance};
pub(crate) use side::{OwnTensor, Side, Speller};
pub(crate) use weight_norm::normed;
pub(crate) use wrapper::unwrapped;
