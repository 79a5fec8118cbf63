//! Where parameters come from; a source knows one model, never another.

mod adapter;
mod integer;
mod memory;
mod parameter_source;
mod random;
mod shards;
mod tensors;

pub(crate) use adapter::AdapterConfig;
pub use adapter::PeftAdapter;
pub(crate) use integer::read_integer;
pub use memory::InMemory;
pub use parameter_source::ParameterSource;
pub use random::{EntryDistribution, RandomSource};
pub use shards::Shards;
pub(crate) use shards::weight_map;

// What a source lists is what a format finds.
pub(crate) use crate::format::{Dtype, ParameterInfo, SafetensorsFile, check_range};
