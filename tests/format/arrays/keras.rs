use super::damage::survives;
use super::{TestResult, data, found, in_memory, open, reference, same_as_reference};
use neural_phylogeny::SourceError;
use neural_phylogeny::discover::Discovery;
use neural_phylogeny::format::{Format, Keras};
use neural_phylogeny::testing::check_format;
use std::fs;

#[test]
fn files_have_the_values_that_their_libraries_read() -> TestResult {
    for name in
        ["whole.keras", "three.weights.h5", "three.h5", "two.h5", "tf/tf_model.h5", "earliest.hdf5", "latest.hdf5"]
    {
        let path = format!("keras/{name}");
        same_as_reference(&open(&Keras, &data(&path))?, &reference(&path))?;
    }
    Ok(())
}

#[test]
fn what_holds_no_weights_is_passed_over() -> TestResult {
    let left_out = |name: &str| -> Result<Vec<String>, SourceError> {
        Ok(open(&Keras, &data(name))?.left_out().keys().cloned().collect())
    };
    assert_eq!(left_out("keras/whole.keras")?, ["optimizer"]);
    assert_eq!(left_out("keras/two.h5")?, ["optimizer_weights"]);
    assert_eq!(left_out("keras/latest.hdf5")?, ["text", "unwritten", "unwritten_chunks"]);
    Ok(())
}

#[test]
fn a_folder_of_transformers_has_its_tensorflow_weights() -> TestResult {
    let opened = Discovery::new().open(data("keras/tf"))?;
    assert_eq!(opened.layout.to_string(), "transformers folder");
    same_as_reference(&*opened.source, &reference("keras/tf/tf_model.h5"))?;
    assert!(found(&data("keras"))?.iter().any(|m| m.name == "three.weights"));
    Ok(())
}

#[test]
fn weights_in_other_forms_are_refused_by_name() -> TestResult {
    let cases = [
        ("bare", "dataset `w` holds 2 bytes of an unknown kind for each value: save it as float32"),
        ("records", "dataset `w` holds records or complex numbers"),
        ("external", "dataset `w` stands in further files"),
    ];
    for (name, reason) in cases {
        let error = open(&Keras, &data(&format!("keras/{name}.h5"))).unwrap_err();
        assert!(
            matches!(error, SourceError::UnsupportedContent { .. }) && error.to_string().contains(reason),
            "{error}"
        );
    }
    let error = in_memory(&Keras, "a.keras", fs::read(data("npz/stored.npz"))?).unwrap_err();
    assert!(matches!(error, SourceError::NoWeights { .. }), "{error}");
    Ok(())
}

#[test]
fn the_beginning_tells_keras_from_other_archives() -> TestResult {
    let hdf5 = fs::read(data("keras/two.h5"))?;
    let archive = fs::read(data("keras/whole.keras"))?;
    assert!(Keras.recognizes("blob", &hdf5[..64]) && Keras.recognizes("m.keras", &archive[..64]));
    assert!(!Keras.recognizes("blob", &archive[..64]) && !Keras.recognizes("m.h5", b"PK\x03\x04"));
    Ok(())
}

#[test]
fn the_contract_of_formats_is_kept() -> TestResult {
    for (name, file) in [("m.keras", "whole.keras"), ("m.h5", "two.h5"), ("m.hdf5", "latest.hdf5")] {
        check_format(&Keras, name, &fs::read(data(&format!("keras/{file}")))?)?;
    }
    Ok(())
}

#[test]
fn no_damage_breaks_the_reader() -> TestResult {
    for file in ["whole.keras", "two.h5", "earliest.hdf5", "latest.hdf5"] {
        let bytes = fs::read(data(&format!("keras/{file}")))?;
        let (opened, refused) = survives(&Keras, file, &bytes, 2_500);
        assert!(opened > 0 && refused > 0, "{file}: {opened} opened, {refused} refused");
    }
    Ok(())
}
