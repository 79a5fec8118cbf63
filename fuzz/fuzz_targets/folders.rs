#![no_main]

use libfuzzer_sys::fuzz_target;
use neural_phylogeny_fuzz::{parts, search};

/// Good weights for the folders around them.
const WEIGHTS: &[u8] = include_bytes!("../../tests/data/formats/adapters/merged/norm.safetensors");
const GGUF: &[u8] = include_bytes!("../../tests/data/formats/gguf/plain.gguf");
const FACTORS: &[u8] = include_bytes!("../../tests/data/formats/adapters/files/norm.safetensors");

/// The files that the input stands for, in this order.
const NAMES: [&str; 6] = [
    "/given/ollama/manifests/registry.ollama.ai/library/llama/8b",
    "/given/hub/models--acme--base/refs/main",
    "/given/hub/models--acme--base/snapshots/0a/model.safetensors.index.json",
    "/given/hub/models--acme--tuned/snapshots/1b/adapter_config.json",
    "/given/pipeline/model_index.json",
    "/given/sentences/modules.json",
];

/// The files around them.
const AROUND: [(&str, &[u8]); 10] = [
    ("/given/ollama/blobs/sha256-0123", GGUF),
    ("/given/hub/models--acme--base/snapshots/0a/config.json", b"{}"),
    ("/given/hub/models--acme--base/snapshots/0a/model-00001-of-00002.safetensors", WEIGHTS),
    ("/given/hub/models--acme--base/snapshots/0a/model-00002-of-00002.safetensors", FACTORS),
    ("/given/hub/models--acme--base/snapshots/2c/model.safetensors", WEIGHTS),
    ("/given/hub/models--acme--tuned/snapshots/1b/adapter_model.safetensors", FACTORS),
    ("/given/pipeline/unet/diffusion_pytorch_model.safetensors", WEIGHTS),
    ("/given/pipeline/vae/diffusion_pytorch_model.safetensors", WEIGHTS),
    ("/given/sentences/0_Transformer/config.json", b"{}"),
    ("/given/sentences/0_Transformer/model.safetensors", WEIGHTS),
];

fuzz_target!(|data: &[u8]| search(NAMES.into_iter().zip(parts(data)).chain(AROUND)));
