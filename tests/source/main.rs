//! Sources of parameters: files, folders and adapters, whole and damaged.

mod adapter;
mod adapter_hostile;
mod discover;
mod folders;
mod formats;
mod safetensors;
#[path = "../support/mod.rs"]
mod support;
