//! Safetensors files and shards: every dtype, and every way in which one can lie.

use crate::support::{TestResult, bytes, f32_file, text, values, write};
use neural_phylogeny::error::ShardError;
use neural_phylogeny::format::{Dtype, SafetensorsFile};
use neural_phylogeny::source::Shards;
use neural_phylogeny::{ParameterSource, SourceError};
use proptest::prelude::*;
use safetensors::tensor::{Dtype as Stored, SafeTensors, TensorView, serialize};
use std::collections::BTreeMap;

/// What opening a file of these bytes says, with `DIR` for its folder; empty when it opens.
fn refusal(contents: impl AsRef<[u8]>) -> Result<String, std::io::Error> {
    let folder = tempfile::tempdir()?;
    let path = write(folder.path(), "m.safetensors", contents);
    Ok(SafetensorsFile::open(path).err().map_or_else(String::new, |e| text(&e, folder.path())))
}

#[test]
fn every_lie_of_a_header_has_its_own_message() -> TestResult {
    let f32 = |offsets: &str| format!(r#"{{"a":{{"dtype":"F32","shape":[2],"data_offsets":{offsets}}}}}"#);
    let two = |first: &str, second: &str| {
        let entry = |o: &str| format!(r#"{{"dtype":"F32","shape":[2],"data_offsets":{o}}}"#);
        format!(r#"{{"a":{},"b":{}}}"#, entry(first), entry(second))
    };
    let shaped = |dtype: &str, shape: &str, end: u64| {
        format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{end}]}}}}"#)
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "DIR/m.safetensors is truncated: found 0 bytes, expected 8"),
        (vec![1, 0, 0], "DIR/m.safetensors is truncated: found 3 bytes, expected 8"),
        (100u64.to_le_bytes().to_vec(), "DIR/m.safetensors is truncated: found 8 bytes, expected 108"),
        (30_000_000u64.to_le_bytes().to_vec(), "DIR/m.safetensors is truncated: found 8 bytes, expected 30000008"),
        (
            100_000_001u64.to_le_bytes().to_vec(),
            "DIR/m.safetensors announces a header of 100000001 bytes, at most 33554432 are read: \
             not a safetensors file, or a hostile one",
        ),
        (vec![0xff; 16], "announces a header of 18446744073709551615 bytes, at most 33554432"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n".to_vec(),
            "DIR/m.safetensors is a Git LFS pointer, not the weights: fetch them with `git lfs pull`",
        ),
        (bytes("not json", &[]), "DIR/m.safetensors is not valid JSON of the expected form: expected ident"),
        (bytes("[]", &[]), "expected a map from tensor names to their dtype, shape and data_offsets"),
        (bytes(r#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, &[0; 8]), "invalid value: integer `-2`"),
        (bytes(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}x"#, &[0; 8]), "trailing characters"),
        (bytes(r#"{"__metadata__":{"n":1}}"#, &[]), "invalid type: integer `1`, expected a string"),
        (
            bytes(
                &format!(
                    r#"{},"a":{{"dtype":"F32","shape":[0],"data_offsets":[8,8]}}}}"#,
                    &f32("[0,8]")[..f32("[0,8]").len() - 1]
                ),
                &[0; 8],
            ),
            "tensor `a` is listed twice in DIR/m.safetensors",
        ),
        (bytes(&f32("[0,8]"), &[0; 5]), "is truncated: found 67 bytes, expected 70"),
        (bytes(&f32("[0,8]"), &[0; 9]), "DIR/m.safetensors has 71 bytes, its header accounts for 70"),
        (
            bytes(&f32("[4,12]"), &[0; 12]),
            "tensor `a` of DIR/m.safetensors has data offsets [4, 12], expected them to begin at 0 and not to run backwards",
        ),
        (
            bytes(&two("[0,8]", "[4,12]"), &[0; 12]),
            "tensor `b` of DIR/m.safetensors has data offsets [4, 12], expected them to begin at 8",
        ),
        (
            bytes(&two("[0,8]", "[9,17]"), &[0; 17]),
            "tensor `b` of DIR/m.safetensors has data offsets [9, 17], expected them to begin at 8",
        ),
        (
            bytes(&two("[0,8]", "[8,4]"), &[0; 8]),
            "tensor `b` of DIR/m.safetensors has data offsets [8, 4], expected them to begin at 8",
        ),
        (
            bytes(&shaped("F32", "[3]", 8), &[0; 8]),
            "tensor `a` of DIR/m.safetensors holds 8 bytes, shape [3] in F32 needs 12",
        ),
        (
            bytes(&shaped("F32", "[4294967296,4294967296]", 8), &[0; 8]),
            "tensor `a` of DIR/m.safetensors has shape [4294967296, 4294967296], more elements than can be counted",
        ),
        (bytes(&shaped("F64", "[2305843009213693952]", 0), &[]), "has shape [2305843009213693952], more elements than"),
        (
            bytes(&shaped("F32", "[4611686018427387903]", 18446744073709551612), &[]),
            "is truncated: found 99 bytes, expected 18446744073709551615",
        ),
    ];
    for (contents, expected) in cases {
        let found = refusal(&contents)?;
        assert!(!found.is_empty() && found.contains(expected), "found: {found}\nexpected: {expected}");
    }
    Ok(())
}

#[test]
fn dtypes_that_do_not_widen_are_refused() -> TestResult {
    for dtype in ["F6_E2M3", "F6_E3M2", "C64", "I128", "f32"] {
        let header = format!(r#"{{"w":{{"dtype":"{dtype}","shape":[8],"data_offsets":[0,8]}}}}"#);
        let expected = format!("tensor `w` of DIR/m.safetensors has dtype {dtype}, which cannot be read as a weight");
        let found = refusal(bytes(&header, &[0; 8]))?;
        assert!(found.starts_with(&expected), "{found}");
    }
    Ok(())
}

#[test]
fn a_tensor_of_an_unknown_dtype_that_is_no_weight_is_passed_over() -> TestResult {
    for name in ["rope.freqs_cis", "a.weight_scale", "scale", "a.cos_cached"] {
        let header = format!(
            r#"{{"{name}":{{"dtype":"C64","shape":[1],"data_offsets":[0,8]}},"w":{{"dtype":"U8","shape":[2],"data_offsets":[8,10]}}}}"#
        );
        let folder = tempfile::tempdir()?;
        let model = SafetensorsFile::open(write(folder.path(), "m.safetensors", bytes(&header, &[7; 10])))?;
        assert_eq!(values(&model, "w")?, [7.0; 2]);
        let left_out = model.left_out();
        assert!(left_out.len() == 1 && left_out[0].0 == name && left_out[0].1.contains("C64"), "{left_out:?}");
    }
    Ok(())
}

#[test]
fn parts_of_quantized_values_have_bytes() -> TestResult {
    let header = r#"{"e":{"dtype":"F8_E8M0","shape":[2],"data_offsets":[0,2]},"f":{"dtype":"F4","shape":[2,4],"data_offsets":[2,6]},
        "n":{"dtype":"F8_E4M3FNUZ","shape":[1],"data_offsets":[6,7]}}"#;
    let folder = tempfile::tempdir()?;
    let stored = [127, 130, 0x21, 0x43, 0x65, 0x87, 0x48];
    let model = SafetensorsFile::open(write(folder.path(), "m.safetensors", bytes(header, &stored)))?;
    assert_eq!(values(&model, "e")?, [1.0, 8.0]);
    assert_eq!(values(&model, "n")?, [2.0]);
    // An element of F4 is a byte, which holds two values.
    let shapes: Vec<Vec<usize>> = model.parameters()?.into_iter().map(|info| info.shape).collect();
    assert_eq!(shapes, [vec![2], vec![2, 2], vec![1]]);
    let mut found = [0; 4];
    model.read_bytes("f", 0, &mut found)?;
    assert_eq!(found, [0x21, 0x43, 0x65, 0x87]);

    let odd = r#"{"f":{"dtype":"F4","shape":[2,3],"data_offsets":[0,3]}}"#;
    let found = refusal(bytes(odd, &[0; 3]))?;
    assert!(found.contains("tensor `f` has shape [2, 3] in F4"), "{found}");
    Ok(())
}

#[test]
fn a_model_may_be_empty_scalar_or_described() -> TestResult {
    let folder = tempfile::tempdir()?;
    let none = SafetensorsFile::open(write(folder.path(), "none.safetensors", bytes("{}", &[])))?;
    assert!(none.parameters()?.is_empty());

    let header = r#"{"__metadata__":{"format":"pt"},"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},
        "e":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]}}     "#;
    let path = write(folder.path(), "small.safetensors", bytes(header, &1.5f32.to_le_bytes()));
    let small = SafetensorsFile::open(&path)?;
    assert_eq!(small.path(), path);
    assert_eq!(values(&small, "s")?, [1.5]);
    assert_eq!(values(&small, "e")?, [0.0; 0]);
    assert_eq!(small.parameters()?.iter().map(|p| p.shape.clone()).collect::<Vec<_>>(), [vec![0, 3], vec![]]);
    Ok(())
}

#[test]
fn every_dtype_is_widened() -> TestResult {
    let folder = tempfile::tempdir()?;
    let cases: [(Stored, Dtype, Vec<u8>, [f32; 2]); 15] = [
        (Stored::F64, Dtype::F64, [0.1f64, -2.5].map(f64::to_le_bytes).concat(), [0.1, -2.5]),
        (Stored::F32, Dtype::F32, [0.1f32, -2.5].map(f32::to_le_bytes).concat(), [0.1, -2.5]),
        (Stored::F16, Dtype::F16, vec![0x00, 0x3c, 0x00, 0xc1], [1.0, -2.5]),
        (Stored::BF16, Dtype::BF16, vec![0x80, 0x3f, 0x20, 0xc0], [1.0, -2.5]),
        (Stored::F8_E4M3, Dtype::F8E4M3, vec![0x38, 0xc2], [1.0, -2.5]),
        (Stored::F8_E5M2, Dtype::F8E5M2, vec![0x3c, 0xc1], [1.0, -2.5]),
        (Stored::I64, Dtype::I64, [1i64, -(1 << 40)].map(i64::to_le_bytes).concat(), [1.0, -1_099_511_627_776.0]),
        (Stored::I32, Dtype::I32, [1i32, -70_000].map(i32::to_le_bytes).concat(), [1.0, -70_000.0]),
        (Stored::I16, Dtype::I16, [1i16, -300].map(i16::to_le_bytes).concat(), [1.0, -300.0]),
        (Stored::I8, Dtype::I8, vec![1, 0xfe], [1.0, -2.0]),
        (Stored::U64, Dtype::U64, [1u64, 1 << 63].map(u64::to_le_bytes).concat(), [1.0, 9_223_372_036_854_775_808.0]),
        (Stored::U32, Dtype::U32, [1u32, 1 << 31].map(u32::to_le_bytes).concat(), [1.0, 2_147_483_648.0]),
        (Stored::U16, Dtype::U16, [1u16, 65_535].map(u16::to_le_bytes).concat(), [1.0, 65_535.0]),
        (Stored::U8, Dtype::U8, vec![1, 255], [1.0, 255.0]),
        (Stored::BOOL, Dtype::Bool, vec![1, 0], [1.0, 0.0]),
    ];
    for (stored, dtype, data, expected) in cases {
        let file = serialize([("w", TensorView::new(stored, vec![2], &data)?)], None)?;
        let model = SafetensorsFile::open(write(folder.path(), "m.safetensors", file))?;
        assert_eq!(model.parameters()?[0].dtype, dtype);
        assert_eq!(values(&model, "w")?, expected, "{dtype}");
    }
    Ok(())
}

#[test]
fn a_missing_file_and_a_folder_are_told_apart() -> TestResult {
    let folder = tempfile::tempdir()?;
    let missing = SafetensorsFile::open(folder.path().join("m.safetensors")).unwrap_err();
    assert_eq!(text(&missing, folder.path()), "DIR/m.safetensors does not exist");
    let not_a_file = SafetensorsFile::open(folder.path()).unwrap_err();
    assert_eq!(text(&not_a_file, folder.path()), "cannot read DIR: not a regular file");
    Ok(())
}

const A: (&str, &[usize], &[f32]) = ("a", &[2], &[1.0, 2.0]);
const B: (&str, &[usize], &[f32]) = ("b", &[1], &[3.0]);

fn index(weight_map: &str) -> String {
    format!(r#"{{"metadata":{{"total_size":12}},"weight_map":{{{weight_map}}}}}"#)
}

#[test]
fn shards_are_read_as_one_model() -> TestResult {
    let folder = tempfile::tempdir()?;
    write(folder.path(), "model-00001-of-00002.safetensors", f32_file(&[B]));
    let second = write(folder.path(), "model-00002-of-00002.safetensors", f32_file(&[A]));
    let map = r#""a":"model-00002-of-00002.safetensors","b":"model-00001-of-00002.safetensors""#;
    let index = write(folder.path(), "model.safetensors.index.json", index(map));
    for model in [Shards::open(&index)?, Shards::open(&second)?] {
        let names: Vec<String> = model.parameters()?.into_iter().map(|p| p.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(values(&model, "a")?, [1.0, 2.0]);
        assert_eq!(values(&model, "b")?, [3.0]);
        #[cfg(feature = "testing")]
        neural_phylogeny::testing::check_parameter_source(&model)?;
    }
    Ok(())
}

#[test]
fn an_index_must_be_true_of_its_shards() -> TestResult {
    let (s1, s2) = ("s1.safetensors", "s2.safetensors");
    type Files = Vec<(&'static str, Vec<u8>)>;
    let both = || -> Files { vec![(s1, f32_file(&[A])), (s2, f32_file(&[B]))] };
    let cases: Vec<(Files, &str, &str)> = vec![
        (
            both(),
            r#""a":"s1.safetensors","b":"s3.safetensors""#,
            "shard DIR/s3.safetensors is missing, needed by DIR/m.safetensors.index.json",
        ),
        (
            both(),
            r#""a":"s2.safetensors","b":"s2.safetensors""#,
            "tensor `a` is listed in DIR/m.safetensors.index.json as part of s2.safetensors, found nowhere",
        ),
        (both(), r#""a":"s2.safetensors","b":"s1.safetensors""#, "as part of s2.safetensors, found s1.safetensors"),
        (
            both(),
            r#""a":"s1.safetensors","b":"s2.safetensors","c":"s2.safetensors""#,
            "tensor `c` is listed in DIR/m.safetensors.index.json as part of s2.safetensors, found nowhere",
        ),
        (
            vec![(s1, f32_file(&[A, B])), (s2, f32_file(&[B]))],
            r#""a":"s1.safetensors","b":"s2.safetensors""#,
            "tensor `b` stands in two shards, DIR/s1.safetensors and DIR/s2.safetensors",
        ),
        (
            vec![(s1, f32_file(&[A, B]))],
            r#""a":"s1.safetensors""#,
            "tensor `b` of DIR/s1.safetensors is not listed in DIR/m.safetensors.index.json",
        ),
        (
            both(),
            r#""a":"s1.safetensors","a":"s2.safetensors""#,
            "tensor `a` is listed twice in DIR/m.safetensors.index.json",
        ),
        (
            both(),
            r#""a":"../s1.safetensors""#,
            "DIR/m.safetensors.index.json lists shard `../s1.safetensors`, expected a file in the same folder",
        ),
        (both(), r#""a":"/s1.safetensors""#, "lists shard `/s1.safetensors`, expected a file in the same folder"),
        (both(), r#""a":"""#, "lists shard ``, expected a file in the same folder"),
        (
            both(),
            r#""a":1"#,
            "DIR/m.safetensors.index.json is not valid JSON of the expected form: invalid type: integer `1`",
        ),
        (
            vec![(s1, f32_file(&[A])[..60].to_vec())],
            r#""a":"s1.safetensors""#,
            "DIR/s1.safetensors is truncated: found 60 bytes",
        ),
    ];
    for (shards, map, expected) in cases {
        let folder = tempfile::tempdir()?;
        for (name, contents) in shards {
            write(folder.path(), name, contents);
        }
        let error = Shards::open(write(folder.path(), "m.safetensors.index.json", index(map))).unwrap_err();
        let found = text(&error, folder.path());
        assert!(found.contains(expected), "found: {found}\nexpected: {expected}");
    }
    Ok(())
}

#[test]
fn numbered_shards_must_all_be_there() -> TestResult {
    let folder = tempfile::tempdir()?;
    let first = write(folder.path(), "m-00001-of-00003.safetensors", f32_file(&[A]));
    write(folder.path(), "m-00003-of-00003.safetensors", f32_file(&[B]));
    let error = Shards::open(&first).unwrap_err();
    assert_eq!(text(&error, folder.path()), "shard DIR/m-00002-of-00003.safetensors is missing, needed by DIR");
    write(folder.path(), "m-00002-of-00003.safetensors", f32_file(&[A]));
    let error = Shards::open(&first).unwrap_err();
    assert!(matches!(error, SourceError::Shards(ShardError::InTwo { .. })));
    Ok(())
}

#[cfg(feature = "testing")]
#[test]
fn files_keep_the_contract() -> TestResult {
    let folder = tempfile::tempdir()?;
    let long: Vec<f32> = (0..70_000).map(|i| i as f32).collect();
    let file = f32_file(&[("empty", &[0], &[]), ("long", &[70_000], &long), ("scalar", &[], &[1.0])]);
    let model = SafetensorsFile::open(write(folder.path(), "m.safetensors", file))?;
    neural_phylogeny::testing::check_parameter_source(&model)?;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_the_reference_writes_is_read_in_any_pieces(
        tensors in prop::collection::btree_map("[a-z.]{1,8}", prop::collection::vec(any::<f32>(), 0..200), 0..6),
        cuts in prop::collection::vec(0usize..=200, 2),
    ) {
        let raw: BTreeMap<&String, Vec<u8>> =
            tensors.iter().map(|(n, v)| (n, v.iter().flat_map(|x| x.to_le_bytes()).collect())).collect();
        let views: Vec<(&str, TensorView<'_>)> = raw
            .iter()
            .map(|(n, b)| Ok((n.as_str(), TensorView::new(Stored::F32, vec![b.len() / 4], b)?)))
            .collect::<Result<_, safetensors::SafeTensorError>>()?;
        let folder = tempfile::tempdir()?;
        let model = SafetensorsFile::open(write(folder.path(), "m.safetensors", serialize(views, None)?))?;
        let listed: Vec<String> = model.parameters()?.into_iter().map(|p| p.name).collect();
        prop_assert!(listed.iter().eq(tensors.keys()));
        for (name, expected) in &tensors {
            let begin = cuts[0].min(expected.len());
            let end = cuts[1].clamp(begin, expected.len());
            let mut found = vec![0.0; end - begin];
            model.read(name, begin, &mut found)?;
            prop_assert!(found.iter().zip(&expected[begin..end]).all(|(f, e)| f.to_bits() == e.to_bits()));
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(contents in prop::collection::vec(any::<u8>(), 0..200)) {
        agrees_with_the_reference(&contents)?;
    }

    /// Headers that are nearly right get further than random bytes.
    #[test]
    fn damaged_headers_are_judged_as_the_reference_does(
        at in 0usize..200,
        with in prop::sample::select(b"0123456789{}[],:\"-eabF ".to_vec()),
        cut in 0usize..40,
    ) {
        let mut contents = f32_file(&[A, B, ("e", &[0, 2], &[])]);
        let header = u64::from_le_bytes(contents[..8].try_into()?) as usize;
        contents[8 + at % header] = with;
        if cut < 20 {
            contents.truncate(contents.len() - cut);
        }
        agrees_with_the_reference(&contents)?;
    }
}

/// Nothing opens that the reference refuses, but tensors of dtypes that it does not know are passed over where they hold no
/// weights. What the reference takes opens, or has a dtype or a repeated name that is refused here.
fn agrees_with_the_reference(contents: &[u8]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir()?;
    let ours = SafetensorsFile::open(write(folder.path(), "m.safetensors", contents));
    match (ours, SafeTensors::deserialize(contents)) {
        (Ok(model), Ok(reference)) => {
            prop_assert_eq!(model.parameters()?.len() + model.left_out().len(), reference.len());
        }
        (Ok(model), Err(_)) if !model.left_out().is_empty() => {}
        (Err(_), Err(_)) => {}
        (Err(SourceError::UnsupportedDtype { .. } | SourceError::DuplicateTensor { .. }), Ok(_)) => {}
        (ours, reference) => prop_assert!(false, "ours: {ours:?}, reference: {reference:?}"),
    }
    Ok(())
}
