//! Sources of parameters. A source knows one model and no other.

mod adapter;
mod derived;
mod integer;
mod memory;
mod normed;
mod parameter_source;
mod part;
mod quantized;
mod random;
mod shards;
mod slices;
mod tensors;

pub use adapter::PeftAdapter;
pub(crate) use adapter::{AdapterConfig, AdapterFile, MLX_STEM};
pub(crate) use derived::{Derived, Made};
pub(crate) use integer::read_integer;
pub use memory::InMemory;
pub(crate) use normed::Normed;
pub use parameter_source::ParameterSource;
pub(crate) use part::{Part, RowRun};
pub use quantized::Dequantized;
pub(crate) use quantized::QuantizationConfig;
pub use random::{EntryDistribution, RandomSource};
pub use shards::Shards;
pub(crate) use shards::weight_map;
pub(crate) use slices::Slices;

// These types belong to formats, but every source lists its parameters in them.
pub(crate) use crate::format::{Dtype, ParameterInfo, SafetensorsFile, check_range};
