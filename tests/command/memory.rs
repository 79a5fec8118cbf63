//! What `--memory` bounds, seen from outside the process.

use crate::peak::peak;
use crate::support::{Zoo, network, tuned, write};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::fs;

const MIB: u64 = 1 << 20;

/// What the process may take beyond the setting and what it takes for tiny models. After the pass values are read again by one
/// thread at least, in two runs of 4 MiB, whatever the setting; and glibc keeps some of what was freed, which a process has
/// resident all the same: up to twice the largest block for each thread.
const ALLOWANCE: u64 = 12 * MIB;

/// Two stars of four models with two matrices, the second one as large as it is asked to be.
fn stars(rows: usize) -> Zoo {
    let zoo = Zoo::empty();
    let large = [rows, 1000];
    let shapes: [(&str, &[usize]); 2] = [("head.weight", &[100, 100]), ("layer.weight", &large)];
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for root in ["a", "b"] {
        let weights = network(&mut rng, &shapes);
        write(&zoo.path(&format!("zoo/{root}.safetensors")), &shapes, &weights);
        for child in 1..=3 {
            write(&zoo.path(&format!("zoo/{root}{child}.safetensors")), &shapes, &tuned(&mut rng, &weights));
        }
    }
    zoo
}

#[test]
fn memory_is_what_was_set_whatever_the_models_take() {
    let [tiny, large] = [1, 5000].map(stars);
    let stored: u64 =
        fs::read_dir(large.path("zoo")).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    for (setting, threads) in [(16 * MIB, 1), (16 * MIB, 4), (64 * MIB, 4)] {
        assert!(stored > 2 * setting, "{stored} bytes are no test of {setting}");
        let words = format!("detect zoo --memory {}MiB --threads {threads}", setting / MIB);
        let [least, most] = [&tiny, &large].map(|zoo| peak(&words, zoo.command(words.split_whitespace())));
        assert!(most <= least + setting + ALLOWANCE, "{words}: {most} bytes, and {least} for tiny models");
    }
}
