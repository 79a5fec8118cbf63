//! Lineages made for the tests of single steps, and what holds of all steps together.

pub(super) mod fixture;
mod numbers;
mod weights;
