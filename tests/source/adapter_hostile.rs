//! Adapters that are damaged, or made to harm: each is refused with a reason, or computed, and none panics or takes memory that
//! its bytes do not account for.

use crate::support::{TestResult, bytes, f32_file, text, values, write};
use neural_phylogeny::discover::Discovery;
use neural_phylogeny::{ParameterSource, SourceError};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats/adapters")
}

/// Opens an adapter over the base of the test data, and reads every value.
fn read(path: &Path) -> Result<(), SourceError> {
    let model = Discovery::new().with_base(folder().join("base/net.safetensors")).open(path)?;
    for parameter in model.source.parameters()? {
        values(&*model.source, &parameter.name)?;
    }
    Ok(())
}

/// The header and the data of a safetensors file.
fn parts(path: &Path) -> Result<(Value, Vec<u8>), Box<dyn std::error::Error>> {
    let file = fs::read(path)?;
    let length = u64::from_le_bytes(file[..8].try_into()?) as usize;
    Ok((serde_json::from_slice(&file[8..8 + length])?, file[8 + length..].to_vec()))
}

/// Every adapter of the test data: its configuration, if it has one, and its weights.
fn adapters() -> Result<Vec<(Option<PathBuf>, PathBuf)>, std::io::Error> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder().join("peft"))? {
        let path = entry?.path();
        let weights = ["adapter_model.safetensors", "adapters.safetensors"].map(|name| path.join(name));
        let weights = weights.into_iter().find(|path| path.exists());
        all.push((Some(path.join("adapter_config.json")), weights.unwrap_or(path)));
    }
    for entry in fs::read_dir(folder().join("files"))? {
        all.push((None, entry?.path()));
    }
    Ok(all)
}

#[test]
fn settings_of_any_kind_are_refused_or_computed() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let odd =
        [json!(null), json!(-1), json!(0), json!(1u64 << 30), json!(1e300), json!("x"), json!([]), json!({"a": [1]})];
    for (config, weights) in adapters()? {
        let Some(config) = config else { continue };
        let fields: Value = serde_json::from_slice(&fs::read(&config)?)?;
        let name = weights.file_name().unwrap_or_default().to_string_lossy().into_owned();
        write(scratch.path(), &name, fs::read(&weights)?);
        for field in fields.as_object().into_iter().flatten().map(|(name, _)| name) {
            for value in &odd {
                let mut fields = fields.clone();
                fields[field] = value.clone();
                write(scratch.path(), "adapter_config.json", serde_json::to_vec(&fields)?);
                let _ = read(scratch.path());
            }
        }
        fs::remove_file(scratch.path().join(&name))?;
    }
    Ok(())
}

#[test]
fn tensors_of_any_shape_are_refused_or_computed() -> TestResult {
    let scratch = tempfile::tempdir()?;
    for (config, weights) in adapters()? {
        let (header, data) = parts(&weights)?;
        let name = weights.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let dir = scratch.path().join(config.as_ref().map_or("file", |_| "folder"));
        if let Some(config) = &config {
            write(&dir, "adapter_config.json", fs::read(config)?);
        }
        let path = if config.is_some() { dir.clone() } else { dir.join(&name) };
        // Two tensors of each role: the modules do not differ in more.
        let mut roles: BTreeMap<&str, usize> = BTreeMap::new();
        for (tensor, entry) in header.as_object().into_iter().flatten().filter(|(name, _)| *name != "__metadata__") {
            let role = tensor.trim_end_matches(".weight").rsplit('.').next().unwrap_or_default();
            let seen = roles.entry(role).or_default();
            *seen += 1;
            if *seen > 2 {
                continue;
            }
            let shape: Vec<u64> = serde_json::from_value(entry["shape"].clone())?;
            let size: u64 = shape.iter().product();
            let turned: Vec<u64> = shape.iter().rev().copied().collect();
            let longer = [&shape[..], &[1]].concat();
            for shape in [vec![size], turned, longer, [&[1], &shape[..]].concat(), vec![1, 1, size]] {
                let mut header = header.clone();
                header[tensor]["shape"] = json!(shape);
                write(&dir, &name, bytes(&header.to_string(), &data));
                let _ = read(&path);
            }
            // Without the tensor, and without elements of it.
            for empty in [None, Some(json!([0])), Some(json!([0, 1u64 << 30])), Some(json!([1u64 << 30, 0]))] {
                let range = entry["data_offsets"].clone();
                let (begin, end) = (range[0].as_u64().unwrap_or(0), range[1].as_u64().unwrap_or(0));
                let mut header = header.clone();
                let entries = header.as_object_mut().ok_or("no header")?;
                match &empty {
                    None => drop(entries.remove(tensor)),
                    Some(shape) => {
                        entries[tensor]["shape"] = shape.clone();
                        entries[tensor]["data_offsets"] = json!([begin, begin]);
                    }
                }
                for (other, entry) in
                    entries.iter_mut().filter(|(other, _)| *other != tensor && *other != "__metadata__")
                {
                    let _ = other;
                    for at in 0..2 {
                        let place = entry["data_offsets"][at].as_u64().unwrap_or(0);
                        if place >= end {
                            entry["data_offsets"][at] = json!(place - (end - begin));
                        }
                    }
                }
                let rest = [&data[..begin as usize], &data[end as usize..]].concat();
                write(&dir, &name, bytes(&header.to_string(), &rest));
                let found = read(&path);
                let optional =
                    ["lora_te_", "alpha", "lora_mid", "dora_scale", "diff_b", "bias", "b_norm", "_t1", "_t2"];
                if !optional.iter().any(|part| tensor.contains(part)) && found.is_ok() && !is_whole_change(tensor) {
                    return Err(format!("{}: without `{tensor}` it is read", weights.display()).into());
                }
            }
        }
        fs::remove_dir_all(&dir)?;
    }
    Ok(())
}

/// Whether a tensor alone is the change of its module: without it, the adapter is one of fewer modules.
fn is_whole_change(tensor: &str) -> bool {
    ["oft_R", "hra_u", "ia3_l", "fourierft_spectrum", ".diff", "w_norm"].iter().any(|part| tensor.contains(part))
}

#[test]
fn ranks_that_no_tensor_has_take_no_memory() -> TestResult {
    let scratch = tempfile::tempdir()?;
    for name in ["lora", "loha", "adalora"] {
        let from = folder().join("peft").join(name);
        let mut fields: Value = serde_json::from_slice(&fs::read(from.join("adapter_config.json"))?)?;
        let (field, value) = match name {
            "adalora" => ("init_r", json!(1u64 << 30)),
            _ => ("rank_pattern", json!({"q_proj": 1u64 << 30})),
        };
        fields[field] = value;
        if name == "adalora" {
            fields["rank_pattern"] = json!(null);
        }
        write(scratch.path(), "adapter_config.json", serde_json::to_vec(&fields)?);
        write(scratch.path(), "adapter_model.safetensors", fs::read(from.join("adapter_model.safetensors"))?);
        let found = read(scratch.path()).map_err(|e| text(&e, scratch.path()));
        let expected = "expected rank 1073741824 from adapter_config.json";
        assert!(found.as_ref().is_err_and(|e| e.contains(expected)), "{name}: {found:?}");
    }
    Ok(())
}

#[test]
fn an_adapter_without_values_is_refused() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    write(dir, "adapter_config.json", r#"{"peft_type":"LORA","r":8,"lora_alpha":16}"#);
    let found = |file: Vec<u8>| {
        write(dir, "adapter_model.safetensors", file);
        read(dir).map_err(|e| text(&e, dir)).err().unwrap_or_default()
    };
    assert!(
        found(f32_file(&[])).starts_with("DIR holds no weights: expected the tensors of an adapter, the file has none")
    );
    let a = ("base_model.model.layers.0.q_proj.lora_A.weight", &[0usize][..], &[][..]);
    let b = ("base_model.model.layers.0.q_proj.lora_B.weight", &[0usize][..], &[][..]);
    assert!(found(f32_file(&[a, b])).contains("does not fit its base: found shape [0], with [0]"));
    let (a, b) = ((a.0, &[0usize, 16][..], a.2), (b.0, &[16usize, 0][..], b.2));
    assert!(found(f32_file(&[a, b])).contains("does not fit its base: found shape [16, 0]"));
    assert!(!found(vec![0; 4096]).is_empty());
    assert!(!found(Vec::new()).is_empty());
    // Factors that are all zero are an adapter that changes nothing.
    let zeros = [0.0; 128];
    let (a, b) = ((a.0, &[8usize, 16][..], &zeros[..]), (b.0, &[16usize, 8][..], &zeros[..]));
    assert_eq!(found(f32_file(&[a, b])), "");
    Ok(())
}

#[test]
fn prompts_are_passed_over() -> TestResult {
    let scratch = tempfile::tempdir()?;
    for (name, kind) in [("a", "PROMPT_TUNING"), ("b", "PREFIX_TUNING"), ("c", "P_TUNING")] {
        let config = format!(r#"{{"peft_type":"{kind}","num_virtual_tokens":8}}"#);
        write(scratch.path(), &format!("{name}/adapter_config.json"), config);
        write(scratch.path(), &format!("{name}/adapter_model.safetensors"), f32_file(&[("prompt", &[1], &[1.0])]));
    }
    let found = Discovery::new().search([scratch.path()])?;
    assert!(found.models.is_empty() && found.unreadable.is_empty());
    let reasons: Vec<&str> = found.ignored.iter().map(|i| i.reason.as_str()).collect();
    assert!(reasons[0].ends_with("is PROMPT_TUNING: it changes no weight of its base, so there is nothing to compare"));
    assert_eq!(reasons.len(), 3);
    Ok(())
}

#[test]
fn files_that_are_each_others_base_are_an_error() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let file = |name: &str, base: &str| {
        let header = format!(
            r#"{{"__metadata__":{{"ss_sd_model_name":"{base}"}},
                "lora_unet_a.lora_down.weight":{{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}},
                "lora_unet_a.lora_up.weight":{{"dtype":"F32","shape":[1,1],"data_offsets":[4,8]}}}}"#
        );
        write(scratch.path(), name, bytes(&header, &[0; 8]));
    };
    file("one.safetensors", "two.safetensors");
    file("two.safetensors", "one.safetensors");
    file("own.safetensors", "own.safetensors");
    let found = Discovery::new().search([scratch.path()])?;
    let errors: Vec<String> = found.unreadable.iter().map(|u| text(&u.error, scratch.path())).collect();
    assert!(errors[0].contains("is its own base") && errors[2].contains("is its own base"), "{errors:#?}");
    // A file cannot mean itself, so the base is another one of that name.
    assert!(errors[1].contains("needs its base model"), "{errors:#?}");
    Ok(())
}

#[test]
fn factors_in_a_file_are_never_a_model() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    let pair = |a: &str, b: &str| f32_file(&[(a, &[4, 4], &[1.0; 16]), (b, &[4, 4], &[1.0; 16])]);
    write(dir, "loha.safetensors", pair("lora_unet_x.hada_w1_a", "lora_unet_x.hada_w1_b"));
    write(dir, "lokr.safetensors", pair("lycoris_x.lokr_w1", "lycoris_x.lokr_w2"));
    write(dir, "full.safetensors", pair("lora_unet_x.diff", "lora_unet_y.diff"));
    write(dir, "mlx.safetensors", pair("layers.0.q.lora_a", "layers.0.q.lora_b"));
    write(dir, "oft.safetensors", pair("lora_unet_x.oft_blocks", "lora_unet_y.oft_blocks"));
    write(dir, "peft.safetensors", pair("base_model.model.x.hra_u", "base_model.model.y.hra_u"));
    write(dir, "mixed.safetensors", pair("lora_unet_x.lora_up.weight", "conv.weight"));
    write(dir, "plain.safetensors", pair("lora_unet_x.lora_up.weight", "lora_unet_x.lora_down.weight"));
    let found = Discovery::new().search([dir])?;
    assert!(found.models.is_empty());
    let errors: Vec<String> = found.unreadable.iter().map(|u| text(&u.error, dir)).collect();
    let expected = [
        "adapter DIR/full.safetensors needs its base model: the LyCORIS file records none; give it with a base option, as `--base full=PATH`",
        "adapter DIR/loha.safetensors needs its base model",
        "adapter DIR/lokr.safetensors needs its base model",
        "adapter DIR/mixed.safetensors uses a tensor of an adapter (`lora_unet_x.lora_up.weight`) beside one of a model (`conv.weight`)",
        "adapter DIR/mlx.safetensors uses a tensor `layers.0.q.lora_a`",
        "adapter DIR/oft.safetensors uses a tensor `lora_unet_x.oft_blocks`",
        "adapter DIR/peft.safetensors uses LoRA tensors (`base_model.model.x.hra_u`) without an adapter_config.json beside them",
        "adapter DIR/plain.safetensors needs its base model",
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.starts_with(expected), "{error}");
    }
    Ok(())
}

#[test]
fn modules_without_a_weight_are_named() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    let file = f32_file(&[
        ("lora_unet_layers_0_q_proj.lora_down.weight", &[1, 16], &[1.0; 16]),
        ("lora_unet_layers_0_q_proj.lora_up.weight", &[16, 1], &[1.0; 16]),
        ("lora_unet_other.lora_down.weight", &[1, 16], &[1.0; 16]),
        ("lora_unet_other.lora_up.weight", &[16, 1], &[1.0; 16]),
    ]);
    let path = write(dir, "lora.safetensors", file);
    let error = read(&path).map_err(|e| text(&e, dir)).err().unwrap_or_default();
    assert_eq!(
        error,
        "adapter tensor `lora_unet_other` of DIR/lora.safetensors does not fit its base: found 1 of its 2 modules without a \
         weight in the base (`other`), expected a base with a weight for every module, under the same names"
    );
    Ok(())
}

#[test]
fn bits_of_any_value_are_refused_or_computed() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let mut state = 1u32;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below.max(1)
    };
    for (config, weights) in adapters()? {
        let file = fs::read(&weights)?;
        let name = weights.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(config) = &config {
            write(scratch.path(), "adapter_config.json", fs::read(config)?);
        }
        for round in 0..40 {
            let mut file = file.clone();
            match round % 4 {
                0 => file.truncate(random(file.len())),
                // The header is where damage is not seen by length alone.
                1 | 2 => (0..=round % 3).for_each(|_| {
                    let at = random(file.len().min(600));
                    file[at] ^= 1 << random(8);
                }),
                _ => {
                    let at = random(file.len());
                    file[at] ^= 1 << random(8);
                }
            }
            write(scratch.path(), &name, &file);
            let path = if config.is_some() { scratch.path().to_owned() } else { scratch.path().join(&name) };
            let _ = read(&path);
        }
        fs::remove_file(scratch.path().join(&name))?;
        let _ = fs::remove_file(scratch.path().join("adapter_config.json"));
    }
    Ok(())
}
