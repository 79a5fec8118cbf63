#![no_main]

use libfuzzer_sys::fuzz_target;
use neural_phylogeny::format::Flax;
use neural_phylogeny_fuzz::open;

fuzz_target!(|data: &[u8]| open(&Flax, "model.msgpack", data));
