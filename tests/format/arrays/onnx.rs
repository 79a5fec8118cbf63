use super::damage::{read, survives};
use super::{TestResult, data, found, in_memory, open, reference, same_as_reference};
use neural_phylogeny::SourceError;
use neural_phylogeny::error::ShardError;
use neural_phylogeny::format::{Onnx, Quantization};
use neural_phylogeny::testing::check_format;
use std::fs;

#[test]
fn models_have_the_values_that_onnx_reads() -> TestResult {
    for name in ["raw", "typed", "external", "constants", "quantized", "dynamic"] {
        let path = format!("onnx/{name}.onnx");
        same_as_reference(&open(&Onnx, &data(&path))?, &reference(&path))?;
    }
    Ok(())
}

#[test]
fn what_holds_no_weights_is_passed_over() -> TestResult {
    let left_out = |name: &str| -> Result<Vec<String>, SourceError> {
        Ok(open(&Onnx, &data(name))?.left_out().keys().cloned().collect())
    };
    assert_eq!(left_out("onnx/raw.onnx")?, ["text"]);
    assert_eq!(left_out("onnx/constants.onnx")?, ["eps", "flag", "listed"]);
    assert_eq!(left_out("onnx/dynamic.onnx")?, ["tensor_scale", "tensor_zero_point"]);
    Ok(())
}

#[test]
fn a_quantized_tensor_says_how_and_how_coarsely() -> TestResult {
    let tensors = open(&Onnx, &data("onnx/quantized.onnx"))?;
    let method = |name: &str| tensors.infos().find(|i| i.name == name).and_then(|i| i.quantization);
    assert_eq!(method("tensor"), Some(Quantization::new("ONNX I8")));
    let step = tensors.rounding("tensor")?.ok_or("a step")?;
    assert!((step - 0.05 / 12f64.sqrt()).abs() < 1e-6, "{step}");
    assert_eq!(tensors.rounding("float8")?, None);
    Ok(())
}

#[test]
fn weights_in_other_forms_are_refused_by_name() -> TestResult {
    let cases = [
        ("int4", "tensor `w` holds INT4: export it"),
        ("nbits", "its operator `MatMulNBits` packs weights"),
        ("scaleless", "tensor `tensor_quantized` is quantized, but its scale is not there"),
    ];
    for (name, reason) in cases {
        let error = open(&Onnx, &data(&format!("onnx/{name}.onnx"))).unwrap_err();
        assert!(
            matches!(error, SourceError::UnsupportedContent { .. }) && error.to_string().contains(reason),
            "{error}"
        );
    }
    Ok(())
}

#[test]
fn further_files_lie_in_the_folder() -> TestResult {
    let model = fs::read(data("onnx/external.onnx"))?;
    let location = b"external.onnx.data";
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("m.onnx");
    let with = |replaced: &[u8; 18]| {
        let mut changed = model.clone();
        for at in 0..changed.len() - location.len() {
            if &changed[at..at + location.len()] == location {
                changed[at..at + location.len()].copy_from_slice(replaced);
            }
        }
        fs::write(&path, changed)
    };
    fs::write(scratch.path().join("secret"), [0; 4096])?;
    for outside in [b"../x/../secret/../", b"/etc/passwd/./././", b"a/../../aaa/secret"] {
        with(outside)?;
        assert!(matches!(open(&Onnx, &path), Err(SourceError::Shards(ShardError::Outside { .. }))));
    }
    with(location)?;
    assert!(matches!(open(&Onnx, &path), Err(SourceError::Shards(ShardError::Missing { .. }))));
    fs::write(scratch.path().join("external.onnx.data"), [0; 100])?;
    assert!(matches!(open(&Onnx, &path), Err(SourceError::Truncated { .. })));
    let error = in_memory(&Onnx, "m.onnx", model).unwrap_err();
    assert!(error.to_string().contains("give the model by its path"), "{error}");
    let models = found(&data("onnx"))?;
    assert!(models.iter().any(|m| m.name == "external"), "{}", models.len());
    Ok(())
}

#[test]
fn the_contract_of_formats_is_kept() -> TestResult {
    for name in ["raw", "typed", "constants", "quantized"] {
        check_format(&Onnx, "m.onnx", &fs::read(data(&format!("onnx/{name}.onnx")))?)?;
    }
    Ok(())
}

#[test]
fn no_damage_breaks_the_reader() -> TestResult {
    for name in ["raw", "typed", "constants", "quantized"] {
        let (opened, refused) = survives(&Onnx, "m.onnx", &fs::read(data(&format!("onnx/{name}.onnx")))?, 5_000);
        assert!(opened > 0 && refused > 0, "{name}: {opened} opened, {refused} refused");
    }
    Ok(())
}

/// A field of bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let (mut length, mut rest) = (Vec::new(), bytes.len());
    while rest >= 0x80 {
        length.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    length.push(rest as u8);
    [&[number << 3 | 2], &length[..], bytes].concat()
}

#[test]
fn nesting_and_counts_are_bounded() -> TestResult {
    // Graph in attribute in node, again and again.
    let mut graph = Vec::new();
    for _ in 0..2_000 {
        graph = field(1, &field(5, &field(6, &graph)));
    }
    let error = in_memory(&Onnx, "m.onnx", field(7, &graph)).unwrap_err();
    assert!(error.to_string().contains("nested deeper than 16"), "{error}");
    // Some 2⁶⁰ values in three bytes, and more than can be counted.
    for dimension in [0x10, 0x7f] {
        let shape = [8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, dimension];
        for values in [field(9, &[0; 3]), field(5, &[0; 3]), field(4, &[0; 3]), Vec::new()] {
            let tensor = [&shape[..], &[0x10, 6], &field(8, b"w")[..], &values].concat();
            assert!(!read(&Onnx, "m.onnx", field(7, &field(5, &tensor))));
        }
    }
    let many = [8, 1].repeat(100_000);
    assert!(!read(&Onnx, "m.onnx", field(7, &field(5, &many))));
    assert!(!read(&Onnx, "m.onnx", Vec::new()));
    Ok(())
}
