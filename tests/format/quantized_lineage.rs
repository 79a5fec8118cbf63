//! A model in fewer bits is quantized from its source, by any scheme.

use neural_phylogeny::bytes::MemoryFile;
use neural_phylogeny::format::{Dtype, Tensors};
use neural_phylogeny::rand::{Rng, SeedableRng};
use neural_phylogeny::rand_chacha::ChaCha8Rng;
use neural_phylogeny::source::Dequantized;
use neural_phylogeny::{Config, InMemory, ModelSet, ParameterSource, Relation, detect_phylogeny};
use std::sync::Arc;

const ROWS: usize = 96;
const COLUMNS: usize = 128;
const GROUP: usize = 32;

/// Values of two weights.
type Weights = [Vec<f32>; 2];

const NAMES: [&str; 2] = ["a.weight", "b.weight"];

fn trained(rng: &mut ChaCha8Rng, from: &Weights, by: f32) -> Weights {
    from.each_ref().map(|weights| weights.iter().map(|w| w + by * rng.gen_range(-1.0..1.0)).collect())
}

fn plain(weights: &Weights) -> InMemory {
    NAMES.iter().zip(weights).fold(InMemory::new(), |model, (name, values)| {
        model.with_parameter(*name, [ROWS, COLUMNS], values.clone()).unwrap()
    })
}

/// Codes of 8 bits with a scale for each group of a row.
fn scaled(weights: &Weights, dtype: Dtype) -> Dequantized {
    let mut file = Vec::new();
    let mut places = Vec::new();
    for values in weights {
        let most = if dtype == Dtype::I8 { 127.0 } else { 448.0 };
        let scales: Vec<f32> =
            values.chunks(GROUP).map(|g| g.iter().fold(0.0f32, |m, w| m.max(w.abs())) / most).collect();
        let code =
            |x: f32| if dtype == Dtype::I8 { x.round() as i8 as u8 } else { float8::F8E4M3::from_f32(x).to_bits() };
        places.push(file.len() as u64);
        file.extend(values.iter().zip(0..).map(|(w, at)| code(w / scales[at / GROUP])));
        places.push(file.len() as u64);
        file.extend(scales.iter().flat_map(|scale| scale.to_le_bytes()));
    }
    let mut stored = Tensors::new(Arc::new(MemoryFile::new("model", file)));
    for (name, place) in NAMES.iter().zip(places.chunks(2)) {
        stored = stored.with_tensor(*name, [ROWS, COLUMNS], dtype, place[0]).unwrap();
        stored = stored.with_tensor(format!("{name}_scale"), [ROWS, COLUMNS / GROUP], Dtype::F32, place[1]).unwrap();
    }
    Dequantized::over(stored, "model").unwrap()
}

/// GPTQ with four bits and one zero point for all.
fn gptq(weights: &Weights) -> Dequantized {
    let mut file = Vec::new();
    let mut places = Vec::new();
    for values in weights {
        let groups = COLUMNS / GROUP;
        let at = |row: usize, column: usize| values[row * COLUMNS + column];
        let largest =
            |row: usize, group: usize| (0..GROUP).map(|c| at(row, group * GROUP + c).abs()).fold(0.0f32, f32::max);
        let scale = |row: usize, group: usize| largest(row, group) / 7.0;
        places.push(file.len() as u64);
        for word in 0..COLUMNS / 8 {
            for row in 0..ROWS {
                let code = |column: usize| {
                    ((at(row, column) / scale(row, column / GROUP)).round().clamp(-8.0, 7.0) as i32 + 8) as u32
                };
                let word = (0..8).fold(0u32, |packed, i| packed | code(8 * word + i) << (4 * i));
                file.extend(word.to_le_bytes());
            }
        }
        places.push(file.len() as u64);
        file.extend((0..groups).flat_map(|group| (0..ROWS).flat_map(move |row| scale(row, group).to_le_bytes())));
        places.push(file.len() as u64);
        file.resize(file.len() + groups * ROWS / 2, 0x77);
    }
    let mut stored = Tensors::new(Arc::new(MemoryFile::new("model", file)));
    for (module, place) in ["a", "b"].iter().zip(places.chunks(3)) {
        let groups = COLUMNS / GROUP;
        let tensors = [
            ("qweight", Dtype::I32, [COLUMNS / 8, ROWS]),
            ("scales", Dtype::F32, [groups, ROWS]),
            ("qzeros", Dtype::I32, [groups, ROWS / 8]),
        ];
        for ((end, dtype, shape), place) in tensors.into_iter().zip(place) {
            stored = stored.with_tensor(format!("{module}.{end}"), shape, dtype, *place).unwrap();
        }
    }
    Dequantized::over(stored, "model").unwrap()
}

#[test]
fn copies_in_fewer_bits_are_quantized_from_their_source() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let zeros = [vec![0.0; ROWS * COLUMNS], vec![0.0; ROWS * COLUMNS]];
    let base = trained(&mut rng, &zeros, 1.0);
    let child = trained(&mut rng, &base, 0.2);
    let [b, c] = [0, 1].map(|_| trained(&mut rng, &base, 0.2));
    let models: [(&str, Arc<dyn ParameterSource>); 7] = [
        ("base", Arc::new(plain(&base))),
        ("child", Arc::new(plain(&child))),
        ("b", Arc::new(plain(&b))),
        ("c", Arc::new(plain(&c))),
        ("fp8", Arc::new(scaled(&child, Dtype::F8E4M3))),
        ("int8", Arc::new(scaled(&base, Dtype::I8))),
        ("gptq", Arc::new(gptq(&child))),
    ];
    let set = ModelSet::from_models(models).unwrap();
    let phylogeny = detect_phylogeny(&set, Config::default()).unwrap();
    let edge = |name: &str| {
        let edge = &phylogeny.parents(phylogeny.id(name).unwrap())[0];
        (phylogeny.name(edge.parent).to_owned(), edge.relation)
    };
    for (copy, source) in [("fp8", "child"), ("int8", "base"), ("gptq", "child")] {
        assert_eq!(edge(copy), (source.to_owned(), Relation::Quantized), "{copy}");
    }
    for child in ["child", "b", "c"] {
        assert_eq!(edge(child), ("base".to_owned(), Relation::FineTune), "{child}");
    }
}
