#![no_main]

use libfuzzer_sys::fuzz_target;
use neural_phylogeny::format::Onnx;
use neural_phylogeny_fuzz::open;

fuzz_target!(|data: &[u8]| open(&Onnx, "external.onnx", data));
