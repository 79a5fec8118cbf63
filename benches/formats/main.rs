//! How long it takes to read all values of one tensor, in each format, beside the simplest loop that does the same.
//!
//! `cargo bench --features formats --bench formats` measures both with criterion. `… -- table [ROUNDS [NAME]]` prints one line for
//! each case whose name contains NAME: values a nanosecond of either, and the ratio of their times. Both are run in turn, and the
//! least time of each is kept: other work on the machine can only add. On Unix, it is the processor time of the thread.
//!
//! The files are made in a temporary folder. Before anything is measured, the values of both are compared bit by bit.

mod blocks;
mod case;
mod floats;
mod hdf5;
mod packed;
mod quantized;
mod write;

use case::{Case, Size};
use criterion::{Criterion, Throughput};
use std::path::Path;
use std::time::Duration;

/// Makes a file of each case.
type Maker = fn(&Path, Size) -> Case;

fn makers() -> Vec<(&'static str, Maker)> {
    [floats::CASES, blocks::CASES, quantized::CASES, packed::CASES].concat()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    match arguments.iter().position(|a| a == "table") {
        Some(at) => {
            let rounds = arguments.get(at + 1).and_then(|n| n.parse().ok()).unwrap_or(15);
            table(folder.path(), rounds, arguments.get(at + 2).map_or("", String::as_str));
        }
        None => measure(folder.path()),
    }
}

fn table(folder: &Path, rounds: usize, wanted: &str) {
    println!("| format and storage | values | simplest loop, values/ns | this crate, values/ns | time, ratio |");
    println!("|---|---:|---:|---:|---:|");
    for (name, make) in makers().into_iter().filter(|(name, _)| name.contains(wanted)) {
        let mut case = make(folder, Size::Whole);
        case.check(name);
        let [simple, ours] = case.least(rounds);
        let values = case.values() as f64;
        println!(
            "| {name} | {values:.1e} | {:.2} | {:.2} | {:.2} |",
            values / simple / 1e9,
            values / ours / 1e9,
            ours / simple
        );
    }
}

fn measure(folder: &Path) {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    // Criterion measures with `--bench` alone, and else runs everything once.
    let is_measured =
        std::env::args().any(|a| a == "--bench") && std::env::args().all(|a| a != "--test" && a != "--list");
    let size = if is_measured { Size::Whole } else { Size::Small };
    for (name, make) in makers() {
        let mut case = make(folder, size);
        case.check(name);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(case.values() as u64));
        group.bench_function("ours", |bencher| bencher.iter(|| case.ours()));
        group.bench_function("simplest", |bencher| bencher.iter(|| case.simplest()));
        group.finish();
    }
    criterion.final_summary();
}
