#![no_main]

use libfuzzer_sys::fuzz_target;
use neural_phylogeny_fuzz::{parts, search};

// The configuration and the weights of an adapter, under the names of peft and of MLX.
fuzz_target!(|data: &[u8]| {
    let parts = parts(data);
    let weights = parts.get(1).copied().unwrap_or_default();
    search([
        ("/given/adapter_config.json", parts[0]),
        ("/given/adapter_model.safetensors", weights),
        ("/given/adapters.safetensors", weights),
    ]);
});
