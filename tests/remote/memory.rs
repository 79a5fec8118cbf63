//! What `--memory` bounds when the models are on a server: the pass, and the bytes that arrive ahead of it.
#![cfg(all(feature = "cli", target_os = "linux"))]

use super::peak::peak;
use super::stars::stars;
use std::process::Command;

const MIB: u64 = 1 << 20;

/// What the process may take beyond the setting and what it takes for tiny models: as for local files, and a megabyte for each
/// of the connections.
const ALLOWANCE: u64 = 12 * MIB + 16 * MIB;

#[test]
fn one_setting_bounds_the_pass_and_what_is_read_ahead() {
    let [tiny, large] = [1, 3000].map(stars);
    for setting in [16 * MIB, 40 * MIB] {
        assert!(large.1 > 2 * setting, "{} bytes are no test of {setting}", large.1);
        let words = format!("detect hf://acme/stars --memory {}MiB --threads 2", setting / MIB);
        let [least, most] = [&tiny.0, &large.0].map(|hub| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_neural-phylogeny"));
            command.args(words.split_whitespace()).env("HF_ENDPOINT", &hub.root);
            peak(&words, command)
        });
        let (requests, sent) = (large.0.requests().len(), large.0.sent(".safetensors"));
        println!(
            "{words}: {} MiB, {} for tiny models; {requests} requests, {} MiB of {}",
            most / MIB,
            least / MIB,
            sent / MIB,
            large.1 / MIB
        );
        assert!(most <= least + setting + ALLOWANCE, "{words}: {most} bytes, and {least} for tiny models");
    }
}
