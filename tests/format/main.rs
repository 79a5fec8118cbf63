//! File formats, against files that the reference writers made and the values that the reference readers give.

mod adapters;
#[cfg(all(feature = "testing", any(feature = "npz", feature = "onnx", feature = "keras", feature = "flax")))]
mod arrays;
#[cfg(feature = "gguf")]
mod gguf;
#[cfg(feature = "formats")]
mod mixed;
#[cfg(feature = "pytorch")]
mod pytorch;
#[cfg(feature = "pytorch")]
mod pytorch_folders;
mod quantized;
mod quantized_lineage;
#[path = "../support/mod.rs"]
mod support;
