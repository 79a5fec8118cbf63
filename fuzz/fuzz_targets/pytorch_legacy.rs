#![no_main]

use libfuzzer_sys::fuzz_target;
use neural_phylogeny::format::Pytorch;
use neural_phylogeny_fuzz::open;

fuzz_target!(|data: &[u8]| open(&Pytorch, "model.pt", data));
