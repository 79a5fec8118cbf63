//! Small checkpoints on disk, and the command to run on them.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, TensorView};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

pub(crate) const SHAPES: [(&str, &[usize]); 3] =
    [("fc1.weight", &[40, 30]), ("fc1.bias", &[40]), ("fc2.weight", &[20, 40])];

type Network = Vec<Vec<f32>>;

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Writes a network of some layout, with a counter beside it as a framework would.
pub(crate) fn write(path: &Path, shapes: &[(&str, &[usize])], network: &Network) {
    store(path, shapes, network, Counter::Beside);
}

/// Writes tensors of some layout and nothing else.
pub(crate) fn write_plain(path: &Path, shapes: &[(&str, &[usize])], network: &Network) {
    store(path, shapes, network, Counter::None);
}

#[derive(PartialEq)]
enum Counter {
    Beside,
    None,
}

fn store(path: &Path, shapes: &[(&str, &[usize])], network: &Network, counter: Counter) {
    let stored: Vec<Vec<u8>> = network.iter().map(|t| bytes(t)).collect();
    let count = 7i64.to_le_bytes();
    let mut tensors: Vec<(&str, TensorView<'_>)> = shapes
        .iter()
        .zip(&stored)
        .map(|((name, shape), data)| (*name, TensorView::new(Dtype::F32, shape.to_vec(), data).unwrap()))
        .collect();
    if counter == Counter::Beside {
        tensors.push(("norm.num_batches_tracked", TensorView::new(Dtype::I64, vec![], &count).unwrap()));
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    safetensors::serialize_to_file(tensors, None, path).unwrap();
}

pub(crate) fn network(rng: &mut ChaCha8Rng, shapes: &[(&str, &[usize])]) -> Network {
    shapes.iter().map(|(_, s)| (0..s.iter().product()).map(|_| rng.gen_range(-1.0..1.0)).collect()).collect()
}

pub(crate) fn tuned(rng: &mut ChaCha8Rng, parent: &Network) -> Network {
    parent.iter().map(|t| t.iter().map(|w| w + rng.gen_range(-0.2f32..0.2)).collect()).collect()
}

/// A folder of checkpoints, removed at the end of a test.
pub(crate) struct Zoo(TempDir);

impl Zoo {
    /// Roots `a` and `b` with three children each, and `alone`, of no family.
    pub(crate) fn two_stars() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let file = |name: String| folder.path().join("zoo").join(name + ".safetensors");
        for root in ["a", "b"] {
            let network = network(&mut rng, &SHAPES);
            for child in 1..=3 {
                write(&file(format!("{root}{child}")), &SHAPES, &tuned(&mut rng, &network));
            }
            write(&file(root.to_owned()), &SHAPES, &network);
        }
        write(&file("alone".to_owned()), &SHAPES, &network(&mut rng, &SHAPES));
        Self(folder)
    }

    /// A folder without checkpoints.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("zoo")).unwrap();
        Self(folder)
    }

    /// A path beside the checkpoints.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        path
    }

    /// Adds one checkpoint that ends too early.
    pub(crate) fn with_damaged(self) -> Self {
        let whole = fs::read(self.path("zoo/a.safetensors")).unwrap();
        self.write("zoo/damaged.safetensors", &whole[..whole.len() - 100]);
        self
    }

    /// The command, not run yet, in the folder that holds `zoo`.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neural-phylogeny"));
        command.current_dir(self.0.path()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs the command on words separated by blanks.
    pub(crate) fn run(&self, words: &str) -> Run {
        Run::of(words, self.command(words.split_whitespace()).output().unwrap())
    }

    /// Standard output of a run that must succeed in silence.
    pub(crate) fn output(&self, words: &str) -> String {
        let run = self.run(words);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{words}");
        run.stdout
    }

    /// What a failing run says.
    #[track_caller]
    pub(crate) fn refusal(&self, words: &str) -> String {
        let run = self.run(words);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{words}: {}", run.stderr);
        run.stderr
    }

    /// Names in the folder that holds `zoo`, hidden ones included.
    pub(crate) fn beside(&self) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(self.0.path()).unwrap().map(name).collect();
        names.sort();
        names
    }
}

/// What a run left.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    fn of(words: &str, output: Output) -> Self {
        let code = output.status.code().unwrap_or_else(|| panic!("{words}: killed"));
        let [stdout, stderr] = [output.stdout, output.stderr].map(|b| String::from_utf8(b).unwrap());
        assert!(!stderr.contains("panicked"), "{words}: {stderr}");
        Self { code, stdout, stderr }
    }
}
