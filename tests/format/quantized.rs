//! Quantized models: every value is that of the method's reference, and what does not fit is an error.

use neural_phylogeny::bytes::{MemoryFile, ReadAt};
use neural_phylogeny::discover::Discovery;
use neural_phylogeny::format::{Dtype, Tensors};
use neural_phylogeny::source::Dequantized;
use neural_phylogeny::{ParameterSource, SourceError};
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
    ("fp8", &["FP8, a scale for each row", "FP8, blocks of 128 by 40", "FP8, one scale", "MXFP8, groups of 32"]),
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
            let wrong: Vec<usize> = (0..size)
                .filter(|&at| whole[at].to_bits() != wanted[at].to_bits() && whole[at] != wanted[at])
                .collect();
            let first = wrong.first().map(|&at| (at, whole[at], wanted[at]));
            assert!(
                wrong.is_empty(),
                "{} `{name}`: {} of {size} differ, first {first:?}",
                folder.display(),
                wrong.len()
            );
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

/// An object without end whose bytes are all the same.
#[derive(Debug)]
struct Endless(u8);

impl ReadAt for Endless {
    fn path(&self) -> &Path {
        Path::new("endless")
    }

    fn length(&self) -> u64 {
        u64::MAX
    }

    fn read_at(&self, bytes: &mut [u8], _: u64) -> Result<(), SourceError> {
        // More would be memory that depends on what a file claims.
        assert!(bytes.len() <= 1 << 22, "{} bytes at once", bytes.len());
        bytes.fill(self.0);
        Ok(())
    }
}

/// A model whose stored bytes are all the same.
fn filled(byte: u8, tensors: &[(&str, Dtype, &[usize])]) -> Result<Dequantized, SourceError> {
    let stored = tensors.iter().try_fold(Tensors::new(Arc::new(Endless(byte))), |stored, (name, dtype, shape)| {
        stored.with_tensor(*name, *shape, *dtype, 0)
    })?;
    Dequantized::over(stored, "model")
}

/// A model with one tensor of given bytes; those of the others are zero.
fn with_bytes(
    bytes: (&str, Dtype, &[usize], &[u8]),
    tensors: &[(&str, Dtype, &[usize])],
) -> Result<Dequantized, SourceError> {
    let (name, dtype, shape, bytes) = bytes;
    let mut file = bytes.to_vec();
    let stored = |file: &mut Vec<u8>, size: usize| {
        let begin = file.len();
        file.resize(begin + size, 0);
        begin as u64
    };
    let places: Vec<u64> = tensors
        .iter()
        .map(|(_, dtype, shape)| stored(&mut file, shape.iter().product::<usize>() * dtype.size()))
        .collect();
    let model = Tensors::new(Arc::new(MemoryFile::new("model", file))).with_tensor(name, shape, dtype, 0)?;
    let model = tensors
        .iter()
        .zip(places)
        .try_fold(model, |model, ((name, dtype, shape), begin)| model.with_tensor(*name, *shape, *dtype, begin))?;
    Dequantized::over(model, "model")
}

#[test]
fn tensors_that_do_not_fit_each_other_are_refused() {
    use Dtype::{BF16, F8E4M3, F16, F32, I8, I32, I64, U8, U32};
    type Tensor<'a> = (&'a str, Dtype, &'a [usize]);
    let (codes, scales, zeros): (Tensor<'_>, Tensor<'_>, Tensor<'_>) =
        (("a.qweight", I32, &[8, 64]), ("a.scales", F16, &[2, 64]), ("a.qzeros", I32, &[2, 8]));
    let cases: [(&[Tensor<'_>], &str); 31] = [
        (&[codes, scales], "`a.qweight` belongs to a quantized tensor that is not there"),
        (&[codes, zeros], "`a.qweight` belongs to a quantized tensor"),
        (&[("a.qweight", U8, &[8, 64]), scales, zeros], "`a.qweight` has shape [8, 64] in U8, expected packed I32"),
        (&[codes, scales, ("a.qzeros", I32, &[2, 9])], "`a.qzeros` has shape [2, 9] in I32"),
        (&[codes, scales, ("a.qzeros", I32, &[3, 8])], "`a.qzeros` has shape [3, 8]"),
        (&[codes, ("a.scales", F16, &[0, 64]), ("a.qzeros", I32, &[0, 8])], "at least 0 groups"),
        (&[codes, ("a.scales", F16, &[99, 64]), ("a.qzeros", I32, &[99, 8])], "at least 99 groups"),
        (&[codes, ("a.scales", I32, &[2, 64]), zeros], "expected floats"),
        (&[codes, scales, zeros, ("a.g_idx", I32, &[63])], "`a.g_idx` has shape [63]"),
        (&[codes, scales, zeros, ("a.weight", F32, &[2])], "`a.weight` is listed twice"),
        (
            &[("a.qweight", I32, &[8, 64]), ("a.scales", F16, &[2, 99]), zeros],
            "neither GPTQ nor the GEMM layout of AWQ",
        ),
        (&[("a.qweight", I32, &[64, 8]), ("a.scales", F16, &[2, 64]), ("a.qzeros", I32, &[3, 8])], "expected [2, 8]"),
        (&[("a.qweight", I32, &[64, 8]), ("a.scales", F16, &[0, 64]), ("a.qzeros", I32, &[0, 8])], "at most 64 groups"),
        (
            &[("a.weight", F8E4M3, &[64, 64]), ("a.weight_scale", F32, &[63])],
            "for each row, or for each block of `a.weight`",
        ),
        (&[("a.weight", F8E4M3, &[64, 64]), ("a.weight_scale", F32, &[0, 64])], "expected one scale"),
        (&[("a.weight", I8, &[64, 64]), ("a.weight_scale", I32, &[64])], "expected floats or exponents"),
        (
            &[("a.weight", I8, &[4, 4]), ("a.weight_scale", F32, &[4]), ("a.weight_zero_point", I8, &[3])],
            "each of the 4 scales",
        ),
        (&[("a.weight_packed", I32, &[4, 8]), ("a.weight_scale", BF16, &[4, 1])], "needs a tensor `a.weight_shape`"),
        (&[("a.weight_packed", I32, &[4, 8]), ("a.weight_shape", I64, &[2])], "needs a tensor `a.weight_scale`"),
        // The stored shape is that of zeros.
        (
            &[("a.weight_packed", I32, &[4, 8]), ("a.weight_scale", BF16, &[4, 1]), ("a.weight_shape", I64, &[2])],
            "`a.weight_shape` holds [0, 0]",
        ),
        (&[("a.weight_packed", U8, &[4, 8]), ("a.weight_scale", F8E4M3, &[4, 1])], "NVFP4 needs one of"),
        (&[("a.weight_packed", U8, &[4, 8]), ("a.weight_scale", F8E4M3, &[4, 2])], "a scale for each 16 values"),
        (
            &[("a.weight", U8, &[4, 8]), ("a.weight_scale", F8E4M3, &[4, 1]), ("a.weight_scale_2", F32, &[4])],
            "one float",
        ),
        (&[("a_blocks", U8, &[1, 4, 2, 15]), ("a_scales", U8, &[1, 4, 2])], "[experts, outputs, blocks, 16]"),
        (&[("a_blocks", U8, &[1, 4, 2, 16]), ("a_scales", U8, &[1, 4])], "exponents of shape [1, 4, 2]"),
        (&[("a_blocks", U8, &[1, 4, 2, 16])], "needs a tensor `a_scales`"),
        (
            &[("a.weight", U32, &[4, 16]), ("a.scales", F16, &[4, 2]), ("a.biases", F16, &[4, 2])],
            "put the model's config.json",
        ),
        (
            &[("a.weight", U32, &[4, 16]), ("a.scales", F16, &[4, 0]), ("a.biases", F16, &[4, 0])],
            "`a.scales` has shape [4, 0]",
        ),
        (&[("a.weight", U32, &[4, 16]), ("a.scales", F16, &[4, 2])], "with `biases` beside them"),
        (&[("a.weight", I8, &[4, 4]), ("a.SCB", F32, &[3])], "a float for each of 4 rows"),
        (&[("a.SCB", F32, &[3]), ("b", I8, &[1])], "needs a tensor `a.weight`"),
    ];
    for (tensors, expected) in cases {
        let found = filled(0, tensors).map(|model| model.parameters()).unwrap_err().to_string();
        assert!(found.contains(expected), "found: {found}\nexpected: {expected}");
    }
}

#[test]
fn descriptions_of_four_bit_weights_are_not_trusted() {
    let of = |text: &str| {
        let parts: [(&str, Dtype, &[usize]); 3] =
            [("w", Dtype::U8, &[32, 1]), ("w.absmax", Dtype::F32, &[1]), ("w.quant_map", Dtype::F32, &[16])];
        with_bytes(("w.quant_state.bitsandbytes__nf4", Dtype::U8, &[text.len()], text.as_bytes()), &parts)
    };
    let fine = r#"{"quant_type":"nf4","blocksize":64,"shape":[8,8],"dtype":"bfloat16"}"#;
    assert_eq!(of(fine).unwrap().parameters().unwrap()[0].shape, [8, 8]);
    let cases = [
        ("{", "no description of a weight"),
        (r#"{"quant_type":"nf4","blocksize":0,"shape":[8,8]}"#, "in blocks of 0"),
        (r#"{"quant_type":"nf4","blocksize":64,"shape":[8,9]}"#, "of shape [8, 9]"),
        (r#"{"quant_type":"nf4","blocksize":64,"shape":[]}"#, "of shape []"),
        (r#"{"quant_type":"nf4","blocksize":64,"shape":[0,8]}"#, "of shape [0, 8]"),
        (r#"{"quant_type":"nf4","blocksize":64,"shape":[4294967296,4294967296]}"#, "4294967296"),
        (r#"{"quant_type":"nf4","blocksize":64,"shape":[-1,-64]}"#, "no description of a weight"),
        (r#"{"quant_type":"nf4","blocksize":32,"shape":[8,8]}"#, "each of 2 blocks"),
    ];
    for (text, expected) in cases {
        let found = of(text).unwrap_err().to_string();
        assert!(found.contains(expected), "found: {found}\nexpected: {expected}");
    }
}

#[test]
fn a_group_that_does_not_exist_is_an_error_when_it_is_read() {
    let parts: [(&str, Dtype, &[usize]); 3] =
        [("a.qweight", Dtype::I32, &[8, 32]), ("a.scales", Dtype::F16, &[2, 32]), ("a.qzeros", Dtype::I32, &[2, 4])];
    for wrong in [2i32, -1, i32::MAX] {
        let indices: Vec<u8> = (0..64).flat_map(|at| if at == 40 { wrong } else { 1 }.to_le_bytes()).collect();
        let model = with_bytes(("a.g_idx", Dtype::I32, &[64], &indices), &parts).unwrap();
        let found = model.read("a.weight", 0, &mut [0.0; 64]).unwrap_err().to_string();
        assert!(found.contains(&format!("puts column 40 into group {wrong}, expected 0 to 1")), "{found}");
    }
}

#[test]
fn memory_does_not_depend_on_what_shapes_claim() {
    use Dtype::{BF16, F8E4M3, F16, F32, I8, I32, U8};
    const HUGE: usize = 1 << 40;
    type Tensor<'a> = (&'a str, Dtype, &'a [usize]);
    let cases: [&[Tensor<'_>]; 8] = [
        &[("a.qweight", I32, &[HUGE, 64]), ("a.scales", F16, &[HUGE / 16, 64]), ("a.qzeros", I32, &[HUGE / 16, 8])],
        &[("a.qweight", I32, &[8, HUGE]), ("a.scales", F16, &[2, HUGE]), ("a.qzeros", I32, &[2, HUGE / 8])],
        &[("a.qweight", I32, &[HUGE, 8]), ("a.scales", F16, &[HUGE / 32, 64]), ("a.qzeros", I32, &[HUGE / 32, 8])],
        &[("a.weight", F8E4M3, &[HUGE, 4096]), ("a.weight_scale_inv", F32, &[HUGE / 128, 32])],
        &[("a.weight", F8E4M3, &[64, HUGE]), ("a.weight_scale_inv", F32, &[1, HUGE / 128])],
        &[
            ("a.weight", I8, &[64, HUGE]),
            ("a.weight_scale", BF16, &[64, HUGE / 16]),
            ("a.weight_zero_point", I8, &[64, HUGE / 16]),
        ],
        &[("a_blocks", U8, &[4, HUGE, 4096, 16]), ("a_scales", U8, &[4, HUGE, 4096])],
        &[("a.weight", U8, &[64, HUGE]), ("a.weight_scale", U8, &[64, HUGE / 16])],
    ];
    for tensors in cases {
        let model = filled(0, tensors).unwrap();
        let info = &model.parameters().unwrap()[0];
        let mut values = vec![1.0; 4096];
        for offset in [0, 12_345, info.size() / 2 + 1, info.size() - values.len()] {
            model.read(&info.name, offset, &mut values).unwrap();
            assert!(values.iter().all(|value| *value == 0.0), "{info:?}");
        }
        assert!(model.rounding(&info.name).unwrap().is_some_and(|rounding| rounding < 1e-9), "{info:?}");
    }
}

#[test]
fn methods_that_are_not_read_are_named() {
    use Dtype::{BF16, F4, F16, F32, I8, I16, I32, U8};
    type Tensor<'a> = (&'a str, Dtype, &'a [usize]);
    let plain: Tensor<'_> = ("norm.weight", BF16, &[64]);
    let cases: [(&[Tensor<'_>], &str); 16] = [
        (&[("a.W_q", U8, &[32, 64]), ("a.scale", F16, &[64, 1])], "HQQ"),
        (&[("a.weight._data", I8, &[64, 64]), ("a.weight._scale", F32, &[64, 1])], "quanto"),
        (&[("a.weight_qdata", I8, &[64, 64]), ("a.weight_scale", F32, &[64, 1])], "torchao"),
        (&[("a.codes", I8, &[64, 8, 2]), ("a.codebooks", F16, &[2, 256, 1, 8])], "AQLM"),
        (&[("a.Qidxs", I16, &[64, 8])], "QuIP#"),
        (&[("a.q_weight", I32, &[64, 8]), ("a.q_scale", I32, &[2, 8])], "EXL2"),
        (&[("a.trellis", I16, &[4, 4, 64]), ("a.suh", F16, &[64])], "EXL3"),
        (&[("a.dense_weights", I32, &[64, 8])], "SpQR"),
        (&[("a.indices", I32, &[64, 8]), ("a.centroids.weight", F16, &[64])], "VPTQ"),
        (&[("a.B", I32, &[64, 8]), ("a.s", F16, &[2, 64])], "Marlin"),
        (&[("a.weight", I8, &[64, 64]), ("a.weight_scales", F16, &[64])], "EETQ"),
        (
            &[("a.weight", U8, &[64, 64]), ("a.weight_scale", F32, &[64, 8]), ("a.pre_quant_scale", BF16, &[128])],
            "ModelOpt AWQ",
        ),
        (&[("a.weight", U8, &[64, 64]), ("a.comfy_quant", U8, &[26])], "ComfyUI"),
        (&[("a.weight", F4, &[64, 64])], "`a.weight` of shape [64, 64] in F4"),
        (&[("a.weight", U8, &[64, 64])], "such as `a.weight` of shape [64, 64] in U8, are packed"),
        (&[("a.mystery", I32, &[64, 64]), ("b.mystery", I32, &[64, 65])], "`b.mystery` of shape [64, 65] in I32"),
    ];
    for (tensors, expected) in cases {
        let tensors = [tensors, &[plain]].concat();
        let error = filled(0, &tensors).unwrap_err();
        let found = error.to_string();
        assert!(matches!(error, SourceError::UnsupportedContent { .. }), "{found}");
        assert!(found.contains(expected) && found.contains("give the model before quantization"), "{found}");
    }
}

#[test]
fn models_that_are_not_quantized_are_left_as_they_are() {
    use Dtype::{Bool, F8E4M3, F32, I64, U8};
    let tensors: [(&str, Dtype, &[usize]); 8] = [
        ("embeddings.position_ids", I64, &[1, 512]),
        ("mask", Bool, &[64, 64]),
        ("w.weight", F32, &[64, 64]),
        ("w.weight_scale", F32, &[64, 1]),
        ("x.weight", F8E4M3, &[64, 64]),
        ("h.0.attn.bias", U8, &[1, 1, 99, 99]),
        ("window.relative_position_index", I64, &[99, 99]),
        ("stand", I64, &[8, 8]),
    ];
    let model = filled(0x38, &tensors).unwrap();
    let infos = model.parameters().unwrap();
    assert!(infos.iter().all(|info| info.quantization.is_none()));
    assert_eq!(infos.iter().map(|info| info.dtype).collect::<Vec<_>>(), [I64, U8, Bool, I64, F32, F32, I64, F8E4M3]);
    assert_eq!(values(&model, "x.weight", 3), [1.0; 3]);
}

#[test]
fn sources_of_every_scheme_keep_the_contract() {
    for (folder, _) in METHODS {
        let model = open(&data().join(folder).join("model.safetensors"));
        #[cfg(feature = "testing")]
        neural_phylogeny::testing::check_parameter_source(&*model).unwrap();
        let infos = model.parameters().unwrap();
        for info in infos.iter().filter(|info| info.quantization.is_some()) {
            let rounding = model.rounding(&info.name).unwrap().unwrap();
            let values = values(&*model, &info.name, info.size());
            let rms = (values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
            // From a hundredth, of eight bits, to nearly everything, of two.
            assert!((1e-3..0.8).contains(&(rounding / rms)), "{folder} {info:?}: {rounding} of {rms}");
        }
    }
}

#[test]
fn the_rounding_error_is_what_rounding_changed() {
    // Rows of very different magnitudes, as a linear congruence makes them.
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state) / 2f64.powi(31) - 1.0
    };
    let weights: Vec<f32> = (0..64 * 256).map(|at| (random() * 2f64.powi(at / 256 % 7)) as f32).collect();
    for (dtype, most) in [(Dtype::I8, 127.0), (Dtype::F8E4M3, 448.0f32)] {
        let scales: Vec<f32> =
            weights.chunks(256).map(|row| row.iter().fold(0.0f32, |m, w| m.max(w.abs())) / most).collect();
        let code =
            |w: f32| if dtype == Dtype::I8 { w.round() as i8 as u8 } else { float8::F8E4M3::from_f32(w).to_bits() };
        let codes: Vec<u8> = weights.iter().enumerate().map(|(at, w)| code(w / scales[at / 256])).collect();
        let file: Vec<u8> = codes.into_iter().chain(scales.iter().flat_map(|s| s.to_le_bytes())).collect();
        let stored = Tensors::new(Arc::new(MemoryFile::new("a", file)));
        let stored = stored.with_tensor("weight", [64, 256], dtype, 0).unwrap();
        let stored = stored.with_tensor("weight_scale", [64, 1], Dtype::F32, 64 * 256).unwrap();
        let model = Dequantized::over(stored, "a").unwrap();
        let read = values(&model, "weight", 64 * 256);
        let squared: f64 = read.iter().zip(&weights).map(|(r, w)| f64::from(r - w).powi(2)).sum();
        let (found, expected) = (model.rounding("weight").unwrap().unwrap(), (squared / read.len() as f64).sqrt());
        assert!((found / expected - 1.0).abs() < 0.03, "{dtype}: {found}, not {expected}");
    }
}
