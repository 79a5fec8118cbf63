//! One network under other names, in other forms of its tensors: what corresponds is found, and nothing else.

mod kin;
mod libraries;
mod matching;
mod networks;
