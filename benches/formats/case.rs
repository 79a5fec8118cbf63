//! One tensor in one file, read by this crate and by a simple loop.

use neural_phylogeny::ParameterSource;
use neural_phylogeny::bytes::LocalFile;
use neural_phylogeny::format::Format;
use neural_phylogeny::source::Dequantized;
use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Values of one read, as in the pass over the weights.
const RUN: usize = 1 << 16;

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// For measuring.
    Whole,
    /// For a look whether it works.
    Small,
}

impl Size {
    /// Rows and columns of the matrix.
    pub(crate) fn shape(self) -> [usize; 2] {
        match self {
            Self::Whole => [2048, 4096],
            Self::Small => [256, 512],
        }
    }

    pub(crate) fn values(self) -> usize {
        self.shape().iter().product()
    }
}

/// Takes values in order, as many at a time as the caller has.
pub(crate) type Sink<'a> = dyn FnMut(&[f32]) + 'a;

/// Reads a file and converts it in the simplest loop.
pub(crate) type Simplest = Box<dyn FnMut(&mut File, &mut Sink<'_>)>;

fn open(path: &Path, format: &dyn Format) -> Dequantized {
    let file = Arc::new(LocalFile::open(path).expect("a file that was just made"));
    let tensors = format.open(file).expect("a file of this format");
    Dequantized::over(tensors, path).expect("tensors that fit each other")
}

pub(crate) struct Case {
    path: PathBuf,
    format: &'static dyn Format,
    name: String,
    size: usize,
    file: File,
    simplest: Simplest,
    run: Vec<f32>,
}

impl Case {
    /// The case of the largest tensor of a file.
    pub(crate) fn new(path: &Path, format: &'static dyn Format, simplest: Simplest) -> Self {
        let parameters = open(path, format).parameters().expect("a list of tensors");
        let largest = parameters.iter().max_by_key(|info| info.size()).expect("a tensor");
        Self {
            name: largest.name.clone(),
            size: largest.size(),
            path: path.to_owned(),
            format,
            file: File::open(path).expect("a file that was just made"),
            simplest,
            run: vec![0.0; RUN],
        }
    }

    pub(crate) fn values(&self) -> usize {
        self.size
    }

    /// The file is opened anew, so that nothing of it is kept in memory from the last time.
    fn ours_into(&mut self, sink: &mut Sink<'_>) {
        let source = open(&self.path, self.format);
        for begin in (0..self.size).step_by(RUN) {
            let run = &mut self.run[..RUN.min(self.size - begin)];
            source.read(&self.name, begin, run).expect("a readable file");
            sink(run);
        }
    }

    fn simplest_into(&mut self, sink: &mut Sink<'_>) {
        self.file.seek(SeekFrom::Start(0)).expect("a file has positions");
        (self.simplest)(&mut self.file, sink);
    }

    pub(crate) fn ours(&mut self) {
        self.ours_into(&mut |values| {
            black_box(values);
        });
    }

    pub(crate) fn simplest(&mut self) {
        self.simplest_into(&mut |values| {
            black_box(values);
        });
    }

    /// Compares the values of both.
    pub(crate) fn check(&mut self, name: &str) {
        let mut expected: Vec<f32> = Vec::with_capacity(self.size);
        self.simplest_into(&mut |values| expected.extend_from_slice(values));
        let mut found: Vec<f32> = Vec::with_capacity(self.size);
        self.ours_into(&mut |values| found.extend_from_slice(values));
        assert_eq!(found.len(), expected.len(), "{name}");
        let differs = found.iter().zip(&expected).position(|(a, b)| a.to_bits() != b.to_bits());
        if let Some(at) = differs {
            panic!("{name}: value {at} is {}, expected {}", found[at], expected[at]);
        }
    }

    /// The least time of the simplest loop and of this crate, in seconds.
    pub(crate) fn least(&mut self, rounds: usize) -> [f64; 2] {
        let mut least = [f64::INFINITY; 2];
        for _ in 0..rounds {
            for (at, least) in least.iter_mut().enumerate() {
                let begin = now();
                if at == 0 {
                    self.simplest()
                } else {
                    self.ours()
                }
                *least = least.min(now() - begin);
            }
        }
        least
    }
}

/// Seconds that this thread has had a processor.
#[cfg(unix)]
fn now() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

#[cfg(not(unix))]
fn now() -> f64 {
    static FIRST: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    FIRST.elapsed().as_secs_f64()
}

/// Reads `count` bytes from `begin` on into a buffer that is kept.
pub(crate) fn load(file: &mut File, begin: u64, count: usize, bytes: &mut Vec<u8>) {
    bytes.resize(count, 0);
    file.seek(SeekFrom::Start(begin)).expect("a file has positions");
    file.read_exact(bytes).expect("a file that was just made");
}

/// Reads blocks that follow one another from `begin` on, in pieces, and converts each.
pub(crate) fn in_blocks<const BYTES: usize, const VALUES: usize>(
    begin: u64,
    values: usize,
    convert: impl Fn(usize, &[u8; BYTES], &mut [f32; VALUES]) + 'static,
) -> Simplest {
    let mut bytes = Vec::new();
    let mut run = vec![0.0; RUN / VALUES * VALUES];
    Box::new(move |file, sink| {
        let together = run.len() / VALUES;
        let blocks = values / VALUES;
        for first in (0..blocks).step_by(together) {
            let count = together.min(blocks - first);
            load(file, begin + (first * BYTES) as u64, count * BYTES, &mut bytes);
            let (stored, _) = bytes.as_chunks::<BYTES>();
            let (out, _) = run.as_chunks_mut::<VALUES>();
            for (at, (out, block)) in out.iter_mut().zip(stored).enumerate() {
                convert(first + at, block, out);
            }
            sink(&run[..count * VALUES]);
        }
    })
}

/// Reads numbers that follow one another, and converts each.
pub(crate) fn each<const BYTES: usize>(
    begin: u64,
    values: usize,
    convert: impl Fn([u8; BYTES]) -> f32 + 'static,
) -> Simplest {
    in_blocks::<BYTES, 1>(begin, values, move |_, bytes, out| out[0] = convert(*bytes))
}

/// Reads ranges of a file whole, and fills all values in one loop.
pub(crate) fn whole<const N: usize>(
    ranges: [(u64, usize); N],
    values: usize,
    convert: impl Fn([&[u8]; N], &mut [f32]) + 'static,
) -> Simplest {
    let mut stored = ranges.map(|_| Vec::new());
    let mut all = vec![0.0; values];
    Box::new(move |file, sink| {
        for ((begin, count), bytes) in ranges.into_iter().zip(&mut stored) {
            load(file, begin, count, bytes);
        }
        convert(stored.each_ref().map(Vec::as_slice), &mut all);
        sink(&all);
    })
}

pub(crate) fn f32_at(bytes: &[u8], at: usize) -> f32 {
    f32::from_le_bytes([bytes[4 * at], bytes[4 * at + 1], bytes[4 * at + 2], bytes[4 * at + 3]])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    f32_at(bytes, at).to_bits()
}

pub(crate) fn f16_at(bytes: &[u8], at: usize) -> f32 {
    half::f16::from_le_bytes([bytes[2 * at], bytes[2 * at + 1]]).to_f32()
}
