//! Adapters of every method against the merges of the reference libraries. `tests/data/formats/make_adapters.py` made them.

use crate::support::{TestResult, text, values};
use neural_phylogeny::discover::{Discovery, FileLayout};
use neural_phylogeny::{ParameterSource, SourceError};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats/adapters")
}

fn open(path: &Path) -> Result<BTreeMap<String, Vec<f32>>, SourceError> {
    let base = folder().join("base/net.safetensors");
    let model = Discovery::new().with_base(base).open(path)?;
    #[cfg(feature = "testing")]
    neural_phylogeny::testing::check_parameter_source(&*model.source)
        .map_err(|e| SourceError::Other { message: path.display().to_string(), source: Some(Box::new(e)) })?;
    let parameters = model.source.parameters()?;
    parameters.iter().map(|p| Ok((p.name.clone(), values(&*model.source, &p.name)?))).collect()
}

/// The largest difference of any value, and the largest value of the tensors that the reference changed.
fn error(adapter: &Path, name: &str) -> Result<(f32, f32), Box<dyn std::error::Error>> {
    let base = open(&folder().join("base/net.safetensors"))?;
    let merged = open(&folder().join(format!("merged/{name}.safetensors")))?;
    let found = open(adapter).map_err(|e| format!("{name}: {}", text(&e, &folder())))?;
    assert_eq!(found.keys().collect::<Vec<_>>(), base.keys().collect::<Vec<_>>(), "{name}");
    let (mut error, mut largest) = (0f32, 0f32);
    for (tensor, values) in &found {
        let Some(expected) = merged.get(tensor) else {
            assert_eq!(values, &base[tensor], "{name}: `{tensor}` is not changed");
            continue;
        };
        assert_eq!(values.len(), expected.len(), "{name}: `{tensor}`");
        for (value, expected) in values.iter().zip(expected) {
            assert!(value.is_finite(), "{name}: `{tensor}` has {value}");
            error = error.max((value - expected).abs());
            largest = largest.max(expected.abs());
        }
    }
    Ok((error, largest))
}

fn entries(below: &str) -> Result<Vec<PathBuf>, std::io::Error> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder().join(below))?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.sort();
    Ok(paths)
}

#[test]
fn every_adapter_is_what_its_library_makes_of_it() -> TestResult {
    let all = [entries("peft")?, entries("files")?].concat();
    assert!(all.len() >= 40, "{} adapters", all.len());
    let mut worst = Vec::new();
    for path in &all {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (error, largest) = error(path, &name)?;
        println!("{name}: {error:e} of values up to {largest}");
        // A few roundings of f32: the order of sums is not the same.
        if error > 3e-6 * largest {
            worst.push(format!("{name}: {error:e} of values up to {largest}"));
        }
    }
    assert!(worst.is_empty(), "{worst:#?}");
    Ok(())
}

#[test]
fn what_changes_another_part_of_a_pipeline_is_told() -> TestResult {
    let base = folder().join("base/net.safetensors");
    let model = Discovery::new().with_base(&base).open(folder().join("files/with_text.safetensors"))?;
    let left_out = model.source.left_out();
    assert_eq!(left_out.len(), 3);
    assert!(left_out.iter().all(|(name, why)| name.starts_with("lora_te_") && why.contains("a text encoder")));
    Ok(())
}

#[test]
fn the_layout_says_what_wrote_an_adapter() -> TestResult {
    let base = folder().join("base/net.safetensors");
    let kinds = [
        ("peft/loha", "peft adapter"),
        ("peft/mlx", "MLX adapter"),
        ("files/locon.safetensors", "kohya LoRA file"),
        ("files/loha_file.safetensors", "LyCORIS LoHa file"),
        ("files/lokr_file.safetensors", "LyCORIS LoKr file"),
        ("files/norm.safetensors", "LyCORIS file"),
        ("files/diffusers.safetensors", "LoRA file"),
    ];
    for (path, expected) in kinds {
        let model = Discovery::new().with_base(&base).open(folder().join(path))?;
        let FileLayout::Adapter { kind, .. } = &model.layout else { return Err(format!("{}", model.layout).into()) };
        assert_eq!(kind, expected, "{path}");
    }
    Ok(())
}
