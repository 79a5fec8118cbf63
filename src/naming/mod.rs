//! One network under several names of its tensors.

mod wrapper;

pub(crate) use wrapper::unwrapped;
