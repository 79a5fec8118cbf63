#![no_main]

use libfuzzer_sys::fuzz_target;
use neural_phylogeny::format::Keras;
use neural_phylogeny_fuzz::open;

fuzz_target!(|data: &[u8]| open(&Keras, "model.h5", data));
