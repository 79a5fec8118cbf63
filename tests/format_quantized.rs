//! Quantized models: every value is that of the method's reference, and what does not fit is an error.

use neural_phylogeny::ParameterSource;
use neural_phylogeny::discover::Discovery;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats/quantized")
}

fn open(path: &Path) -> Arc<dyn ParameterSource> {
    Discovery::new().open(path).unwrap().source
}

fn values(source: &dyn ParameterSource, name: &str, size: usize) -> Vec<f32> {
    let mut values = vec![0.0; size];
    source.read(name, 0, &mut values).unwrap();
    values
}

/// The methods of each folder's quantized tensors, without repeats.
const METHODS: [(&str, &[&str]); 20] = [
    ("awq", &["AWQ 4 bits, groups of 32"]),
    ("bnb_fp4", &["bitsandbytes FP4, groups of 64"]),
    ("bnb_int8", &["bitsandbytes INT8, a scale for each row"]),
    ("bnb_nf4", &["bitsandbytes NF4, groups of 64"]),
    ("bnb_nf4_nested", &["bitsandbytes NF4, groups of 64, scales quantized too"]),
    ("ct_int8", &["INT8, a scale for each row", "INT8, groups of 32"]),
    ("ct_mxfp4", &["MXFP4, groups of 32"]),
    ("ct_nvfp4", &["NVFP4, groups of 16"]),
    ("ct_pack", &["INT3, groups of 32", "INT4, groups of 32", "INT8, a scale for each row"]),
    (
        "fp8",
        &[
            "FP8, a scale for each row",
            "FP8, blocks of 128 by 40",
            "FP8, one scale",
            "MXFP8, groups of 32",
        ],
    ),
    ("gpt_oss", &["MXFP4, groups of 32"]),
    (
        "gptq",
        &[
            "GPTQ 2 bits, groups of 32",
            "GPTQ 3 bits, groups of 48",
            "GPTQ 4 bits, groups of 32",
            "GPTQ 8 bits, one group",
        ],
    ),
    ("gptq_v2", &["GPTQ 4 bits, groups of 32"]),
    ("mlx_2", &["MLX 2 bits, groups of 128"]),
    ("mlx_3", &["MLX 3 bits, groups of 32"]),
    ("mlx_4", &["MLX 4 bits, groups of 64"]),
    ("mlx_6", &["MLX 6 bits, groups of 32"]),
    ("mlx_8", &["MLX 8 bits, groups of 64"]),
    ("mlx_modes", &["MLX MXFP4, groups of 32", "MLX MXFP8, groups of 32", "MLX NVFP4, groups of 16"]),
    ("modelopt", &["MXFP4, groups of 32", "NVFP4, groups of 16"]),
];

#[test]
fn every_value_is_that_of_the_reference() {
    for (folder, expected_methods) in &METHODS {
        let folder = data().join(folder);
        let model = open(&folder.join("model.safetensors"));
        let expected = open(&folder.join("expected.safetensors"));
        let (found, wanted) = (model.parameters().unwrap(), expected.parameters().unwrap());
        let described = |of: &[neural_phylogeny::format::ParameterInfo]| -> Vec<(String, Vec<usize>)> {
            of.iter().map(|info| (info.name.clone(), info.shape.clone())).collect()
        };
        assert_eq!(described(&found), described(&wanted), "{}", folder.display());
        let mut methods: Vec<&str> = found.iter().filter_map(|i| i.quantization.as_ref()).map(|q| q.method()).collect();
        methods.sort_unstable();
        methods.dedup();
        assert_eq!(methods, *expected_methods, "{}", folder.display());
        for info in &found {
            let (name, size) = (info.name.as_str(), info.size());
            let (whole, wanted) = (values(&*model, name, size), values(&*expected, name, size));
            let wrong: Vec<usize> = (0..size).filter(|&at| whole[at].to_bits() != wanted[at].to_bits() && whole[at] != wanted[at]).collect();
            let first = wrong.first().map(|&at| (at, whole[at], wanted[at]));
            assert!(wrong.is_empty(), "{} `{name}`: {} of {size} differ, first {first:?}", folder.display(), wrong.len());
            // Ranges of any length that begin anywhere give the same values.
            for (begin, length) in [(0, 1), (1, 7), (size / 3, size / 2), (size - 1, 1), (size / 2 + 1, 65)] {
                let length = length.min(size - begin);
                let mut part = vec![0.0; length];
                model.read(name, begin, &mut part).unwrap();
                assert_eq!(part, whole[begin..begin + length], "{} `{name}` from {begin}", folder.display());
            }
        }
    }
}
