use super::damage::{read, survives};
use super::{TestResult, data, in_memory, open, reference, same_as_reference};
use neural_phylogeny::SourceError;
use neural_phylogeny::discover::Discovery;
use neural_phylogeny::format::Flax;
use neural_phylogeny::testing::check_format;
use std::fs;

#[test]
fn messages_have_the_values_that_flax_reads() -> TestResult {
    for name in ["variables", "hub/flax_model", "state", "dtypes", "pieces"] {
        let path = format!("flax/{name}.msgpack");
        same_as_reference(&open(&Flax, &data(&path))?, &reference(&path))?;
    }
    Ok(())
}

#[test]
fn what_holds_no_weights_is_passed_over() -> TestResult {
    let left_out = |name: &str| -> Result<Vec<String>, SourceError> {
        Ok(open(&Flax, &data(name))?.left_out().keys().cloned().collect())
    };
    assert_eq!(left_out("flax/state.msgpack")?, ["opt_state"]);
    assert!(left_out("flax/dtypes.msgpack")?.is_empty());
    let error = open(&Flax, &data("flax/complex.msgpack")).unwrap_err();
    assert!(error.to_string().contains("array `w` has dtype complex64: save it as"), "{error}");
    Ok(())
}

#[test]
fn folders_and_shards_of_transformers_are_models() -> TestResult {
    for (folder, expected) in [("flax/hub", "flax/hub/flax_model.msgpack"), ("flax/shards", "flax/shards")] {
        let opened = Discovery::new().open(data(folder))?;
        assert_eq!(opened.layout.to_string(), "transformers folder");
        same_as_reference(&*opened.source, &reference(expected))?;
    }
    Ok(())
}

#[test]
fn the_contract_of_formats_is_kept() -> TestResult {
    for name in ["state", "dtypes", "pieces"] {
        check_format(&Flax, "m.msgpack", &fs::read(data(&format!("flax/{name}.msgpack")))?)?;
    }
    Ok(())
}

#[test]
fn no_damage_breaks_the_reader() -> TestResult {
    for name in ["state", "dtypes", "pieces"] {
        let bytes = fs::read(data(&format!("flax/{name}.msgpack")))?;
        let (opened, refused) = survives(&Flax, "m.msgpack", &bytes, 10_000);
        assert!(opened > 0 && refused > 0, "{name}: {opened} opened, {refused} refused");
    }
    Ok(())
}

#[test]
fn nesting_and_counts_are_bounded() -> TestResult {
    let deep = [&b"\x81\xa1a"[..]].repeat(100_000).concat();
    let error = in_memory(&Flax, "m.msgpack", deep).unwrap_err();
    assert!(error.to_string().contains("nested deeper than 64"), "{error}");
    // The same in what is passed over, where it takes no stack.
    let passed = [&b"\x81\xa9opt_state"[..], &[0x91].repeat(1_000_000), b"\xc0"].concat();
    assert_eq!(in_memory(&Flax, "m.msgpack", passed)?.names().count(), 0);
    // Four billion entries, and an array of four billion bytes, in a few.
    for bytes in [
        &b"\xdf\xff\xff\xff\xff"[..],
        b"\x81\xa1a\xc9\xff\xff\xff\xff\x01",
        b"\x81\xa9opt_state\xdd\xff\xff\xff\xff",
        b"\x81\xa1a\xdb\xff\xff\xff\xff",
        b"\x90",
        b"\x80\x80",
        b"",
    ] {
        assert!(!read(&Flax, "m.msgpack", bytes.to_vec()), "{bytes:?}");
    }
    // A shape that cannot be counted, and one that the bytes do not fill.
    for shape in [&b"\x92\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x02"[..], b"\x91\x03"] {
        let array = [b"\x93", shape, b"\xa7float32\xc4\x04\0\0\0\0"].concat();
        let message = [&b"\x81\xa1a\xc7"[..], &[array.len() as u8, 1], &array].concat();
        assert!(!read(&Flax, "m.msgpack", message));
    }
    Ok(())
}
