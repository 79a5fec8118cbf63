//! The pass over the weights of one folder of safetensors files beside reading the same bytes through the same path and doing
//! nothing with them, and the f64 rank-k rate of the machine. `generate_checkpoints` makes such folders.
//!
//! `cargo bench --bench ladder -- FOLDER [RUNS [MEMORY [THREADS]]]` prints, with one space between,
//! `models parameters bytes read-seconds geometry-seconds read-MiB geometry-MiB gflops`; `… -- syrk [THREADS]` prints GFLOP/s, and
//! `… -- cold FOLDER …` has the system forget the files before each reading, by GNU dd.
//!
//! Both are run in turn and the least time of each is kept: other work on the machine can only add.

use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatRef, Par};
use neural_phylogeny::ModelSet;
use neural_phylogeny::format::SafetensorsFile;
use neural_phylogeny::geometry::{Geometry, GeometrySettings};
use rayon::prelude::*;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Values of one job of the pass, and of one read within it.
const JOB: usize = 1 << 18;
const RUN: usize = 1 << 16;

fn open(folder: &Path) -> Result<(ModelSet, u64), Box<dyn Error>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|e| Ok(e?.path())).collect::<Result<_, std::io::Error>>()?;
    paths.retain(|p| p.extension().is_some_and(|e| e == "safetensors"));
    paths.sort();
    let mut builder = ModelSet::builder();
    let mut bytes = 0;
    for path in paths {
        bytes += fs::metadata(&path)?.len();
        builder = builder.with_model(path.display().to_string(), SafetensorsFile::open(&path)?);
    }
    Ok((builder.build()?, bytes))
}

/// Every value once, in the jobs of the pass and with its threads, and nothing done with them.
fn read(models: &ModelSet, pool: &rayon::ThreadPool) {
    let mut jobs = Vec::new();
    for parameter in models.groups()[0].parameters() {
        jobs.extend((0..parameter.size()).step_by(JOB).map(|begin| (parameter, begin)));
    }
    pool.install(|| {
        jobs.par_iter().for_each_init(
            || vec![0f32; RUN],
            |buffer, &(parameter, begin)| {
                let end = (begin + JOB).min(parameter.size());
                for from in (begin..end).step_by(RUN) {
                    let run = &mut buffer[..RUN.min(end - from)];
                    for model in models.ids() {
                        models.source(model).read(&parameter.name, from, run).expect("a readable file");
                        black_box(&mut *run);
                    }
                }
            },
        );
    });
}

/// Lets the high-water mark of memory begin anew; elsewhere than on Linux there is none.
fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn peak_mebibytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Has the system drop its copies of the files, which must be on disk.
fn forget_files(folder: &Path) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let input = format!("if={}", entry?.path().display());
        if !Command::new("dd").args([&input, "iflag=nocache", "count=0", "status=none"]).status()?.success() {
            return Err("GNU dd is needed to have files forgotten".into());
        }
    }
    Ok(())
}

fn seconds(f: impl FnOnce()) -> f64 {
    let began = Instant::now();
    f();
    began.elapsed().as_secs_f64()
}

/// Symmetric rank-k updates, one independent matrix for each thread: what all cores together can do, at their best shape.
fn syrk(pool: &rayon::ThreadPool) -> f64 {
    let mut best = 0f64;
    for (n, k) in [(366, 8192), (768, 4096), (1536, 2048)] {
        let rows: Vec<Vec<f64>> =
            (0..pool.current_num_threads()).map(|t| (0..n * k).map(|i| ((i * 7 + t) % 13) as f64).collect()).collect();
        for _ in 0..8 {
            let spent = seconds(|| {
                pool.install(|| {
                    rows.par_iter().for_each(|rows| {
                        let block = MatRef::from_row_major_slice(rows, n, k);
                        let mut products = Mat::<f64>::zeros(n, n);
                        triangular::matmul(
                            products.as_mut(),
                            BlockStructure::TriangularLower,
                            Accum::Replace,
                            block,
                            BlockStructure::Rectangular,
                            block.transpose(),
                            BlockStructure::Rectangular,
                            1.0,
                            Par::Seq,
                        );
                        black_box(products);
                    });
                });
            });
            best = best.max((rows.len() * n * (n + 1) * k) as f64 / spent / 1e9);
        }
    }
    best
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let cold = arguments.first().is_some_and(|a| a == "cold");
    arguments.drain(..usize::from(cold));
    let number = |at: usize, default: usize| arguments.get(at).map_or(Ok(default), |a| a.parse());
    let Some(folder) = arguments.first() else {
        // `cargo bench` runs every bench; this one has nothing to measure without a folder.
        println!("usage: ladder [cold] FOLDER [RUNS [MEMORY [THREADS]]], or ladder syrk [THREADS]");
        return Ok(());
    };
    if folder == "syrk" {
        println!("{:.1}", syrk(&rayon::ThreadPoolBuilder::new().num_threads(number(1, 0)?).build()?));
        return Ok(());
    }
    let (models, bytes) = open(Path::new(folder))?;
    let (runs, memory, threads) = (number(1, 3)?, number(2, 1 << 30)?, number(3, 0)?);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let settings = GeometrySettings::new().with_memory(memory as u64).with_threads(threads);
    let (mut reading, mut computing) = (f64::INFINITY, f64::INFINITY);
    let mut peaks = [0; 2];
    let forget = || if cold { forget_files(Path::new(folder)) } else { Ok(()) };
    for _ in 0..runs {
        forget()?;
        forget_peak();
        reading = reading.min(seconds(|| read(&models, &pool)));
        peaks[0] = peaks[0].max(peak_mebibytes());
        forget()?;
        forget_peak();
        let began = Instant::now();
        black_box(Geometry::compute(&models, &settings)?);
        computing = computing.min(began.elapsed().as_secs_f64());
        peaks[1] = peaks[1].max(peak_mebibytes());
    }
    let parameters: usize = models.groups()[0].parameters().iter().map(|p| p.size()).sum();
    let n = models.len();
    let rate = (n * (n + 1)) as f64 * parameters as f64 / computing / 1e9;
    let [read_peak, peak] = peaks;
    println!("{n} {parameters} {bytes} {reading:.4} {computing:.4} {read_peak} {peak} {rate:.1}");
    Ok(())
}
