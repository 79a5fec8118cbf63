//! Writes checkpoints of any size and known lineage: families of one root and its children, in safetensors files of F16, BF16 or
//! F32, with `truth.json` beside them. Values are streamed: memory does not grow with the size. `benches/memory.sh` uses
//! it, and `benches/ladder.rs` measures on what it writes.
//!
//! `cargo run --release -p neural-phylogeny-evaluation --bin generate_checkpoints -- FOLDER MODELS PARAMETERS FAMILIES [SEED [F16|BF16|F32]]`

use half::{bf16, f16};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Rows and columns of the matrices that make up a model.
const WIDTH: usize = 1000;

/// How far roots reach from zero, and children from their root.
const ROOT: f32 = 0.05;
const STEP: f32 = 0.005;

#[derive(Clone, Copy)]
enum Dtype {
    F16,
    Bf16,
    F32,
}

impl Dtype {
    fn parse(name: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        match name {
            "F16" => Ok(Self::F16),
            "BF16" => Ok(Self::Bf16),
            "F32" => Ok(Self::F32),
            other => Err(format!("dtype {other}, expected F16, BF16 or F32").into()),
        }
    }

    /// As the format spells it, and bytes per value.
    fn of_format(self) -> (&'static str, usize) {
        match self {
            Self::F16 => ("F16", 2),
            Self::Bf16 => ("BF16", 2),
            Self::F32 => ("F32", 4),
        }
    }

    fn write(self, value: f32, file: &mut impl Write) -> std::io::Result<()> {
        match self {
            Self::F16 => file.write_all(&f16::from_f32(value).to_le_bytes()),
            Self::Bf16 => file.write_all(&bf16::from_f32(value).to_le_bytes()),
            Self::F32 => file.write_all(&value.to_le_bytes()),
        }
    }
}

/// Square layers with their biases, and what is left in a head.
fn layout(parameters: usize) -> Vec<(String, Vec<usize>)> {
    let layer = WIDTH * WIDTH + WIDTH;
    let mut layout = Vec::new();
    for l in 0..parameters / layer {
        layout.push((format!("layers.{l}.bias"), vec![WIDTH]));
        layout.push((format!("layers.{l}.weight"), vec![WIDTH, WIDTH]));
    }
    let left = parameters % layer;
    layout.push(("head.weight".to_owned(), vec![left / 10, 10]));
    layout.push(("head.bias".to_owned(), vec![left % 10]));
    layout
}

/// A header of the safetensors format, with its length in front.
fn header(layout: &[(String, Vec<usize>)], dtype: Dtype) -> Result<Vec<u8>, serde_json::Error> {
    let (dtype, width) = dtype.of_format();
    let mut entries = Map::new();
    let mut end = 0;
    for (name, shape) in layout {
        let begin = end;
        end += width * shape.iter().product::<usize>();
        entries.insert(name.clone(), json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}));
    }
    let text = serde_json::to_vec(&Value::Object(entries))?;
    Ok([(text.len() as u64).to_le_bytes().as_slice(), &text].concat())
}

fn write_model(
    path: &Path,
    layout: &[(String, Vec<usize>)],
    root: u64,
    own: Option<u64>,
    dtype: Dtype,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(&header(layout, dtype)?)?;
    let mut root = ChaCha8Rng::seed_from_u64(root);
    let mut own = own.map(ChaCha8Rng::seed_from_u64);
    for _ in 0..layout.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum() {
        let step = own.as_mut().map_or(0.0, |rng| rng.gen_range(-STEP..STEP));
        dtype.write(root.gen_range(-ROOT..ROOT) + step, &mut file)?;
    }
    Ok(file.flush()?)
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let dtype = if arguments.len() == 6 { Dtype::parse(&arguments.remove(5))? } else { Dtype::F16 };
    let [folder, sizes @ ..] = arguments.as_slice() else {
        println!("usage: generate_checkpoints FOLDER MODELS PARAMETERS FAMILIES [SEED [F16|BF16|F32]]");
        return Ok(());
    };
    let sizes: Vec<usize> = sizes.iter().map(|s| s.parse()).collect::<Result<_, _>>()?;
    let (models, parameters, families, seed) = match sizes[..] {
        [models, parameters, families] => (models, parameters, families, 0),
        [models, parameters, families, seed] => (models, parameters, families, seed as u64),
        _ => return Err("expected MODELS, PARAMETERS, FAMILIES and perhaps SEED after FOLDER".into()),
    };
    if families == 0 {
        return Err("FAMILIES is 0, expected at least 1".into());
    }
    let folder = Path::new(folder);
    fs::create_dir_all(folder)?;
    let layout = layout(parameters);
    // One random stream for each model; roots have those of the first members.
    let stream = |model: usize| seed << 32 | model as u64;
    let write = |model: usize| {
        let (family, member) = (model % families, model / families);
        let root = format!("f{family}");
        let (name, own, parents) = match member {
            0 => (root, None, json!([])),
            _ => (format!("{root}_c{member}"), Some(stream(model)), json!([{ "name": root }])),
        };
        write_model(&folder.join(format!("{name}.safetensors")), &layout, stream(family), own, dtype)?;
        Ok(json!({"name": name, "parents": parents}))
    };
    let truth: Vec<Value> =
        (0..models).into_par_iter().map(write).collect::<Result<_, Box<dyn Error + Send + Sync>>>()?;
    fs::write(folder.join("truth.json"), serde_json::to_vec_pretty(&json!({"version": 1, "models": truth}))?)?;
    Ok(())
}
