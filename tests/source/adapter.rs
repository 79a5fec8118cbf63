//! Adapters over hand-made bases, with products computed by hand.

use crate::support::{TestResult, bytes, f32_file, text, values, write};
use neural_phylogeny::discover::{Discovery, FileLayout};
use neural_phylogeny::format::Dtype;
use neural_phylogeny::source::PeftAdapter;
use neural_phylogeny::{InMemory, ParameterSource, SourceError};
use proptest::prelude::*;
use std::path::Path;

type Tensors<'a> = &'a [(&'a str, &'a [usize], &'a [f32])];

/// Writes an adapter whose configuration has these fields besides its type.
fn adapter(folder: &Path, fields: &str, tensors: Tensors<'_>) {
    let config = format!(r#"{{"peft_type":"LORA",{fields}}}"#);
    write(folder, "adapter_config.json", config);
    write(folder, "adapter_model.safetensors", f32_file(tensors));
}

fn base(tensors: Tensors<'_>) -> Result<InMemory, SourceError> {
    tensors.iter().try_fold(InMemory::new(), |m, (name, shape, v)| m.with_parameter(*name, shape, v.to_vec()))
}

/// The values of `name` in the adapted model, which keeps the contract of sources.
fn adapted(fields: &str, of_base: Tensors<'_>, tensors: Tensors<'_>, name: &str) -> Result<Vec<f32>, String> {
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    adapter(scratch.path(), fields, tensors);
    let tell = |e: SourceError| text(&e, scratch.path());
    let model = PeftAdapter::open(scratch.path(), base(of_base).map_err(tell)?).map_err(tell)?;
    #[cfg(feature = "testing")]
    neural_phylogeny::testing::check_parameter_source(&model).map_err(|e| e.to_string())?;
    values(&model, name).map_err(tell)
}

const FC: Tensors<'static> = &[("fc.bias", &[2], &[7.0, 8.0]), ("fc.weight", &[2, 3], &[1.0, 1.0, 1.0, 0.0, 0.0, 0.0])];
const FC_A: (&str, &[usize], &[f32]) = ("base_model.model.fc.lora_A.weight", &[1, 3], &[1.0, 2.0, 3.0]);
const FC_B: (&str, &[usize], &[f32]) = ("base_model.model.fc.lora_B.weight", &[2, 1], &[1.0, -10.0]);

#[test]
fn the_increment_is_the_scaled_product() -> TestResult {
    let found = adapted(r#""r":1,"lora_alpha":2"#, FC, &[FC_A, FC_B], "fc.weight")?;
    assert_eq!(found, [3.0, 5.0, 7.0, -20.0, -40.0, -60.0]);
    assert_eq!(adapted(r#""r":1"#, FC, &[FC_A, FC_B], "fc.bias")?, [7.0, 8.0]);
    // peft's own default of alpha is 8.
    assert_eq!(adapted(r#""r":1"#, FC, &[FC_A, FC_B], "fc.weight")?[0], 9.0);
    Ok(())
}

#[test]
fn rank_stabilized_scaling_divides_by_the_root() -> TestResult {
    let a: (&str, &[usize], &[f32]) =
        ("base_model.model.fc.lora_A.weight", &[4, 3], &[1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    let b: (&str, &[usize], &[f32]) =
        ("base_model.model.fc.lora_B.weight", &[2, 4], &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0]);
    let found = adapted(r#""r":4,"lora_alpha":6,"use_rslora":true"#, FC, &[a, b], "fc.weight")?;
    assert_eq!(found, [4.0, 7.0, 10.0, 12.0, 12.0, 12.0]);
    let plain = adapted(r#""r":4,"lora_alpha":6"#, FC, &[a, b], "fc.weight")?;
    assert_eq!(plain, [2.5, 4.0, 5.5, 6.0, 6.0, 6.0]);
    Ok(())
}

#[test]
fn patterns_match_as_in_peft_and_the_first_counts() -> TestResult {
    let of_base: Tensors<'_> = &[("l.0.q.weight", &[1, 1], &[0.0]), ("l.0.xq.weight", &[1, 1], &[0.0])];
    let tensors: Tensors<'_> = &[
        ("base_model.model.l.0.q.lora_A.weight", &[2, 1], &[1.0, 0.0]),
        ("base_model.model.l.0.q.lora_B.weight", &[1, 2], &[1.0, 0.0]),
        ("base_model.model.l.0.xq.lora_A.weight", &[1, 1], &[1.0]),
        ("base_model.model.l.0.xq.lora_B.weight", &[1, 1], &[1.0]),
    ];
    let fields = r#""r":1,"lora_alpha":3,"rank_pattern":{"q":2},"alpha_pattern":{"^l\\.\\d+\\.q":8,"q":100}"#;
    assert_eq!(adapted(fields, of_base, tensors, "l.0.q.weight")?, [4.0]);
    assert_eq!(adapted(fields, of_base, tensors, "l.0.xq.weight")?, [3.0]);
    let other_order = fields.replace(r#""^l\\.\\d+\\.q":8,"q":100"#, r#""q":100,"^l\\.\\d+\\.q":8"#);
    assert_eq!(adapted(&other_order, of_base, tensors, "l.0.q.weight")?, [50.0]);
    Ok(())
}

#[test]
fn weights_may_be_stored_with_inputs_as_rows() -> TestResult {
    let turned: Tensors<'_> = &[("fc.weight", &[3, 2], &[0.0; 6])];
    let expected = [1.0, -10.0, 2.0, -20.0, 3.0, -30.0];
    assert_eq!(adapted(r#""r":1,"lora_alpha":1,"fan_in_fan_out":true"#, turned, &[FC_A, FC_B], "fc.weight")?, expected);
    // Only this way fits, whatever the configuration says of the model's other layers.
    assert_eq!(adapted(r#""r":1,"lora_alpha":1"#, turned, &[FC_A, FC_B], "fc.weight")?, expected);

    let square: Tensors<'_> = &[("fc.weight", &[2, 2], &[0.0; 4])];
    let a: (&str, &[usize], &[f32]) = ("base_model.model.fc.lora_A.weight", &[1, 2], &[1.0, 2.0]);
    let found = |way: bool| {
        adapted(&format!(r#""r":1,"lora_alpha":1,"fan_in_fan_out":{way}"#), square, &[a, FC_B], "fc.weight")
    };
    assert_eq!(found(false)?, [1.0, 2.0, -10.0, -20.0]);
    assert_eq!(found(true)?, [1.0, -10.0, 2.0, -20.0]);
    Ok(())
}

#[test]
fn embeddings_and_convolutions_are_adapted() -> TestResult {
    let of_base: Tensors<'_> = &[("emb.weight", &[3, 2], &[0.0; 6])];
    let tensors: Tensors<'_> = &[
        ("base_model.model.emb.lora_embedding_A", &[1, 3], &[1.0, 2.0, 3.0]),
        ("base_model.model.emb.lora_embedding_B", &[2, 1], &[1.0, -10.0]),
    ];
    let fields = r#""r":1,"lora_alpha":1"#;
    assert_eq!(adapted(fields, of_base, tensors, "emb.weight")?, [1.0, -10.0, 2.0, -20.0, 3.0, -30.0]);

    let kernel: Vec<f32> = (0..8).map(|i| i as f32).collect();
    let of_base: Tensors<'_> = &[("conv.weight", &[3, 2, 2, 2], &[1.0; 24])];
    let tensors: Tensors<'_> = &[
        ("base_model.model.conv.lora_A.weight", &[1, 2, 2, 2], &kernel),
        ("base_model.model.conv.lora_B.weight", &[3, 1, 1, 1], &[0.0, 1.0, 2.0]),
    ];
    let expected: Vec<f32> = (0..24).map(|i| 1.0 + (i / 8 * (i % 8)) as f32).collect();
    assert_eq!(adapted(fields, of_base, tensors, "conv.weight")?, expected);

    let of_base: Tensors<'_> = &[("conv.weight", &[2, 1, 3], &[0.0; 6])];
    let tensors: Tensors<'_> = &[
        ("base_model.model.conv.lora_A.weight", &[1, 1, 3], &[1.0, 2.0, 3.0]),
        ("base_model.model.conv.lora_B.weight", &[2, 1, 1], &[1.0, -1.0]),
    ];
    assert_eq!(adapted(fields, of_base, tensors, "conv.weight")?, [1.0, 2.0, 3.0, -1.0, -2.0, -3.0]);
    Ok(())
}

#[test]
fn each_output_has_its_stored_magnitude() -> TestResult {
    let fields = r#""r":1,"lora_alpha":1,"use_dora":true"#;
    let m = |shape: &'static [usize]| ("base_model.model.fc.lora_magnitude_vector", shape, [10.0f32, 26.0]);
    let a: (&str, &[usize], &[f32]) = ("base_model.model.fc.lora_A.weight", &[1, 2], &[1.0, 2.0]);
    let b: (&str, &[usize], &[f32]) = ("base_model.model.fc.lora_B.weight", &[2, 1], &[1.0, 2.0]);
    let (_, shape, magnitudes) = m(&[2]);
    let stored: Tensors<'_> = &[a, b, ("base_model.model.fc.lora_magnitude_vector", shape, &magnitudes)];
    // W + BA is [[3, 4], [5, 12]], of norms 5 and 13.
    let of_base: Tensors<'_> = &[("fc.weight", &[2, 2], &[2.0, 2.0, 3.0, 8.0])];
    assert_eq!(adapted(fields, of_base, stored, "fc.weight")?, [6.0, 8.0, 10.0, 24.0]);

    let of_base: Tensors<'_> = &[("fc.weight", &[2, 2], &[2.0, 3.0, 2.0, 8.0])];
    let turned = format!(r#"{fields},"fan_in_fan_out":true"#);
    assert_eq!(adapted(&turned, of_base, stored, "fc.weight")?, [6.0, 10.0, 8.0, 24.0]);

    let of_base: Tensors<'_> = &[("emb.weight", &[2, 2], &[2.0, 3.0, 2.0, 8.0])];
    let stored: Tensors<'_> = &[
        ("base_model.model.emb.lora_embedding_A", &[1, 2], &[1.0, 2.0]),
        ("base_model.model.emb.lora_embedding_B", &[2, 1], &[1.0, 2.0]),
        ("base_model.model.emb.lora_magnitude_vector.default.weight", &[2], &magnitudes),
    ];
    let error = adapted(fields, of_base, stored, "emb.weight").unwrap_err();
    assert_eq!(
        error,
        "adapter DIR uses several adapters in one file ((unnamed), default), which is not supported: \
         merge it into its base and give the merged model"
    );
    let stored: Tensors<'_> =
        &[stored[0], stored[1], ("base_model.model.emb.lora_magnitude_vector", &[2], &magnitudes)];
    assert_eq!(adapted(fields, of_base, stored, "emb.weight")?, [6.0, 10.0, 8.0, 24.0]);

    let of_base: Tensors<'_> = &[("c.weight", &[2, 2, 1, 1], &[2.0, 2.0, 3.0, 8.0])];
    let stored: Tensors<'_> = &[
        ("base_model.model.c.lora_A.weight", &[1, 2, 1, 1], &[1.0, 2.0]),
        ("base_model.model.c.lora_B.weight", &[2, 1, 1, 1], &[1.0, 2.0]),
        ("base_model.model.c.lora_magnitude_vector", &[1, 2, 1, 1], &magnitudes),
    ];
    assert_eq!(adapted(fields, of_base, stored, "c.weight")?, [6.0, 8.0, 10.0, 24.0]);
    Ok(())
}

#[test]
fn whole_tensors_replace_those_of_the_base() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let of_base: Tensors<'_> = &[
        ("embed_tokens.weight", &[2, 1], &[0.0; 2]),
        ("fc.bias", &[2], &[7.0, 8.0]),
        ("fc.weight", &[2, 3], &[0.0; 6]),
        ("score.weight", &[1], &[0.0]),
    ];
    let tensors: Tensors<'_> = &[
        FC_A,
        FC_B,
        ("base_model.model.fc.base_layer.bias", &[2], &[1.0, 2.0]),
        ("base_model.model.score.modules_to_save.weight", &[1], &[5.0]),
        ("base_model.model.score.original_module.weight", &[1], &[0.0]),
        ("base_model.model.new.head.weight", &[1], &[6.0]),
        ("base_model.model.embed_tokens.base_layer.weight", &[3, 1], &[1.0, 2.0, 3.0]),
        ("base_model.model.embed_tokens.lora_embedding_A", &[1, 3], &[1.0, 1.0, 1.0]),
        ("base_model.model.embed_tokens.lora_embedding_B", &[1, 1], &[10.0]),
        ("base_model.model.lm_head.weight", &[3, 1], &[4.0, 5.0, 6.0]),
    ];
    adapter(scratch.path(), r#""r":1,"lora_alpha":1,"bias":"all","modules_to_save":["score","new"]"#, tensors);
    let model = PeftAdapter::open(scratch.path(), base(of_base)?)?;
    let found: Vec<(String, Vec<f32>)> = model
        .parameters()?
        .into_iter()
        .map(|p| Ok((p.name.clone(), values(&model, &p.name)?)))
        .collect::<Result<_, SourceError>>()?;
    let expected = [
        ("embed_tokens.weight", vec![11.0, 12.0, 13.0]),
        ("fc.bias", vec![1.0, 2.0]),
        ("fc.weight", vec![1.0, 2.0, 3.0, -10.0, -20.0, -30.0]),
        ("lm_head.weight", vec![4.0, 5.0, 6.0]),
        ("new.head.weight", vec![6.0]),
        ("score.weight", vec![5.0]),
    ];
    assert_eq!(found, expected.map(|(n, v)| (n.to_owned(), v)));
    #[cfg(feature = "testing")]
    neural_phylogeny::testing::check_parameter_source(&model)?;
    Ok(())
}

#[test]
fn a_prefix_that_one_side_has_is_recognized() -> TestResult {
    let with: Tensors<'_> = &[("head.weight", &[1], &[0.0]), ("model.fc.weight", &[2, 3], &[0.0; 6])];
    let tensors: Tensors<'_> = &[FC_A, FC_B, ("base_model.model.head.weight", &[1], &[2.0])];
    let fields = r#""r":1,"lora_alpha":1,"modules_to_save":["head"]"#;
    assert_eq!(adapted(fields, with, tensors, "model.fc.weight")?[0], 1.0);
    assert_eq!(adapted(fields, with, tensors, "head.weight")?, [2.0]);
    let tensors: Tensors<'_> = &[
        ("base_model.model.bert.fc.lora_A.weight", FC_A.1, FC_A.2),
        ("base_model.model.bert.fc.lora_B.weight", FC_B.1, FC_B.2),
    ];
    assert_eq!(adapted(fields, FC, tensors, "fc.weight")?[0], 2.0);
    Ok(())
}

#[test]
fn the_wider_dtype_is_announced() -> TestResult {
    let scratch = tempfile::tempdir()?;
    adapter(scratch.path(), r#""r":1,"lora_alpha":1"#, &[FC_A, FC_B]);
    let header = r#"{"fc.weight":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},
        "other":{"dtype":"BF16","shape":[],"data_offsets":[12,14]}}"#;
    let stored = write(scratch.path(), "base.safetensors", bytes(header, &[0; 14]));
    let model = PeftAdapter::open(scratch.path(), neural_phylogeny::format::SafetensorsFile::open(stored)?)?;
    let dtypes: Vec<Dtype> = model.parameters()?.into_iter().map(|p| p.dtype).collect();
    assert_eq!(dtypes, [Dtype::F32, Dtype::BF16]);
    Ok(())
}

#[test]
fn what_is_not_computed_is_refused_by_name() {
    let cases = [
        (r#""peft_type":"RANDLORA""#, "`peft_type` RANDLORA"),
        (r#""peft_type":"XLORA""#, "`peft_type` XLORA"),
        (r#""peft_type":null"#, "no `peft_type`"),
        (r#""alora_invocation_tokens":[1,2]"#, "`alora_invocation_tokens`"),
        (r#""use_qalora":true"#, "`use_qalora`"),
        (r#""layer_replication":[[0,4],[2,5]]"#, "`layer_replication`"),
        (r#""target_parameters":["w"]"#, "`target_parameters`"),
        (r#""trainable_token_indices":[5]"#, "`trainable_token_indices`"),
        (r#""megatron_config":{"a":1}"#, "`megatron_config`"),
        (r#""use_bdlora":{"a":1}"#, "`use_bdlora`"),
        (r#""some_new_field":3"#, "`some_new_field`"),
        (r#""bias":"some""#, "`bias` some"),
        (
            r#""init_lora_weights":"pissa_niter_4""#,
            "`init_lora_weights` pissa_niter_4, which changes the base's own weights",
        ),
        (r#""init_lora_weights":"olora""#, "`init_lora_weights` olora, which changes the base's own weights"),
        (r#""rank_pattern":{"(?=a)":2}"#, "`rank_pattern` `(?=a)`"),
    ];
    for (field, feature) in cases {
        let scratch = tempfile::tempdir().expect("scratch folders can be made");
        let config = match field.contains("peft_type") {
            true => format!("{{{field}}}"),
            false => format!(r#"{{"peft_type":"LORA","r":1,{field}}}"#),
        };
        write(scratch.path(), "adapter_config.json", config);
        write(scratch.path(), "adapter_model.safetensors", f32_file(&[FC_A, FC_B]));
        let error = PeftAdapter::open(scratch.path(), InMemory::new()).unwrap_err();
        let found = text(&error, scratch.path());
        assert!(matches!(error, SourceError::AdapterUnsupported { .. }), "{found}");
        assert!(found.starts_with(&format!("adapter DIR uses {feature}")), "{found}");
    }
}

#[test]
fn fields_without_effect_or_content_are_passed_over() -> TestResult {
    let fields = r#""r":1,"lora_alpha":1,"peft_version":"0.21.2","task_type":"CAUSAL_LM","lora_dropout":0.1,
        "target_modules":["fc"],"layers_to_transform":[1],"megatron_core":"megatron.core","qalora_group_size":16,
        "use_qalora":false,"layer_replication":null,"loftq_config":{},"init_lora_weights":"gaussian","unknown":[],
        "use_dora":false,"modules_to_save":null,"alpha_pattern":{},"rank_pattern":null,"revision":"main""#;
    assert_eq!(adapted(fields, FC, &[FC_A, FC_B], "fc.weight")?[0], 2.0);
    Ok(())
}

#[test]
fn an_adapter_that_does_not_fit_is_refused_with_both_shapes() {
    let fields = r#""r":1,"lora_alpha":1"#;
    let magnitude = ("base_model.model.fc.lora_magnitude_vector", &[3usize][..], &[1.0f32, 1.0, 1.0][..]);
    let cases: [(&str, Tensors<'_>, &str); 9] = [
        (
            fields,
            &[FC_A],
            "adapter tensor `fc` of DIR does not fit its base: found base_model.model.fc.lora_A.weight, expected one factor A and one factor B",
        ),
        (
            fields,
            &[("base_model.model.fc.lora_A.weight", &[1, 4], &[0.0; 4]), FC_B],
            "found shape [2, 1], with [1, 4] for `base_model.model.fc.lora_A.weight`, expected factors of a weight of shape [2, 3]",
        ),
        (r#""r":2,"lora_alpha":1"#, &[FC_A, FC_B], "found rank 1, expected rank 2 from adapter_config.json"),
        (
            fields,
            &[
                ("base_model.model.no.lora_A.weight", FC_A.1, FC_A.2),
                ("base_model.model.no.lora_B.weight", FC_B.1, FC_B.2),
            ],
            "adapter tensor `no.weight` of DIR does not fit its base: found no such tensor",
        ),
        (
            fields,
            &[FC_A, FC_B, ("base_model.model.extra.weight", &[1], &[0.0])],
            "adapter tensor `base_model.model.extra.weight` of DIR does not fit its base: found neither, expected a tensor of that name",
        ),
        (fields, &[FC_A, FC_B, ("base_model.model.fc.bias", &[1, 2], &[0.0; 2])], "found shape [1, 2], expected [2]"),
        (
            fields,
            &[FC_A, FC_B, ("base_model.model.fc.lora_B.bias", &[2], &[0.0; 2])],
            "adapter DIR uses `base_model.model.fc.lora_B.bias` although `lora_bias` is not set",
        ),
        (
            fields,
            &[FC_A, FC_B, magnitude],
            "uses `base_model.model.fc.lora_magnitude_vector` although `use_dora` is not set",
        ),
        (
            r#""r":1,"use_dora":true"#,
            &[FC_A, FC_B, magnitude],
            "adapter tensor `base_model.model.fc.lora_magnitude_vector` of DIR does not fit its base: found shape [3], expected 2 magnitudes",
        ),
    ];
    for (fields, tensors, expected) in cases {
        let found = adapted(fields, FC, tensors, "fc.weight").unwrap_err();
        assert!(found.contains(expected), "found: {found}\nexpected: {expected}");
    }
    let missing = adapted(r#""r":1,"use_dora":true"#, FC, &[FC_A, FC_B], "fc.weight").unwrap_err();
    assert!(missing.contains("found no `fc.lora_magnitude_vector`"), "{missing}");
}

#[test]
fn an_adapter_without_weights_is_told() -> TestResult {
    let scratch = tempfile::tempdir()?;
    write(scratch.path(), "adapter_config.json", r#"{"peft_type":"LORA"}"#);
    let open = || PeftAdapter::open(scratch.path(), InMemory::new()).map(|_| ()).map_err(|e| text(&e, scratch.path()));
    assert_eq!(
        open(),
        Err("DIR holds no weights: expected adapter_model.safetensors beside adapter_config.json".to_owned())
    );
    write(scratch.path(), "adapter_model.tflite", "");
    assert_eq!(
        open(),
        Err("DIR/adapter_model.tflite is a TensorFlow Lite model: not supported, convert it to safetensors".to_owned())
    );
    Ok(())
}

/// What searching `dir` says about each model: its layout, or its error.
fn search(discovery: Discovery, dir: &Path) -> Result<Vec<String>, SourceError> {
    let found = discovery.search([dir])?;
    let layout = |l: &FileLayout| l.to_string().replace(&dir.display().to_string(), "DIR");
    let models = found.models.iter().map(|m| format!("{}: {}", m.name, layout(&m.layout)));
    let errors = found.unreadable.iter().map(|u| format!("{}: {}", u.name, text(&u.error, dir)));
    Ok(models.chain(errors).collect())
}

#[test]
fn the_base_is_found_where_it_may_be() -> TestResult {
    let recorded = |base: &str| format!(r#""r":1,"base_model_name_or_path":{base}"#);
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    write(dir, "bases/fc.safetensors", f32_file(FC));
    adapter(&dir.join("a/by_path"), &recorded(r#""../../bases/fc.safetensors""#), &[FC_A, FC_B]);
    adapter(&dir.join("a/by_root"), &recorded(r#""bases/fc.safetensors""#), &[FC_A, FC_B]);
    adapter(&dir.join("a/by_name"), &recorded(r#""/elsewhere/bases/fc""#), &[FC_A, FC_B]);
    adapter(&dir.join("a/alike"), &recorded(r#""hub/fc""#), &[FC_A, FC_B]);
    adapter(&dir.join("a/on_adapter"), &recorded(r#""C:\\work\\a\\by_path""#), &[FC_A, FC_B]);
    adapter(&dir.join("a/none"), &recorded("null"), &[FC_A, FC_B]);
    adapter(&dir.join("a/lost"), &recorded(r#""hub/lost-7b""#), &[FC_A, FC_B]);
    assert_eq!(
        search(Discovery::new(), dir)?,
        [
            "a/by_name: peft adapter over DIR/bases/fc.safetensors (recorded as /elsewhere/bases/fc, found by that name)",
            "a/by_path: peft adapter over DIR/a/by_path/../../bases/fc.safetensors (recorded as ../../bases/fc.safetensors, \
             found at that path)",
            "a/by_root: peft adapter over DIR/bases/fc.safetensors (recorded as bases/fc.safetensors, found at that path)",
            "a/on_adapter: peft adapter over DIR/a/by_path (recorded as C:\\work\\a\\by_path, found by that name)",
            "bases/fc: safetensors file",
            "a/alike: adapter DIR/a/alike needs its base model: its `hub/fc` is not here, and only the last part of the name is \
             that of DIR/bases/fc.safetensors; give it with a base option, as `--base hub/fc=PATH`",
            "a/lost: adapter DIR/a/lost needs its base model: its `hub/lost-7b` is no model's path from DIR/a/lost, \
             the current folder or the searched ones, and no model found is named `hub/lost-7b`; give it with a base option, \
             as `--base hub/lost-7b=PATH`",
            "a/none: adapter DIR/a/none needs its base model: adapter_config.json records none; give it with a base option, \
             as `--base a/none=PATH`",
        ]
    );
    // The option serves those whose base is not found, and no others.
    let other = write(dir, ".hidden/other.safetensors", f32_file(FC));
    let with_option = search(Discovery::new().with_base(&other), dir)?;
    let over = |name: &str, base: &str, why: &str| format!("a/{name}: peft adapter over DIR/{base} ({why})");
    let by_root = over("by_root", "bases/fc.safetensors", "recorded as bases/fc.safetensors, found at that path");
    let given = |name: &str, recorded: &str| {
        over(name, ".hidden/other.safetensors", &format!("{recorded}given by a base option"))
    };
    for expected in [by_root.clone(), given("none", ""), given("lost", "recorded as hub/lost-7b, ")] {
        assert!(with_option.contains(&expected), "{expected} in {with_option:#?}");
    }
    // The option for one base, or for one adapter, comes before all else.
    let one = Discovery::new().with_base_for("hub/fc", &other).with_base_for("a/none", &other);
    let with_options = search(one.with_base_for("bases/fc.safetensors", &other), dir)?;
    let by_option = given("by_root", "recorded as bases/fc.safetensors, ");
    for expected in [given("alike", "recorded as hub/fc, "), given("none", ""), by_option] {
        assert!(with_options.contains(&expected), "{expected} in {with_options:#?}");
    }
    assert!(with_options.iter().any(|m| m.starts_with("a/lost: adapter DIR/a/lost needs its base model")));

    write(dir, "more/bases/fc.safetensors", f32_file(FC));
    let ambiguous = search(Discovery::new(), dir)?;
    assert!(
        ambiguous.contains(
            &"a/by_name: adapter DIR/a/by_name needs its base model: its `/elsewhere/bases/fc` may be \
              DIR/bases/fc.safetensors or DIR/more/bases/fc.safetensors; give it with a base option, as \
              `--base /elsewhere/bases/fc=PATH`"
                .to_owned()
        ),
        "{ambiguous:#?}"
    );
    Ok(())
}

#[test]
fn a_hub_cache_beside_the_adapter_holds_its_base() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let hub = scratch.path().join("hub");
    let lora = hub.join("models--eve--lora/snapshots/c3");
    adapter(&lora, r#""r":1,"base_model_name_or_path":"acme/base""#, &[FC_A, FC_B]);
    let transformers = |folder: &str| {
        write(&hub, &format!("{folder}/config.json"), "{}");
        write(&hub, &format!("{folder}/model.safetensors"), f32_file(FC));
    };
    // The last part of the name alone is no reason.
    transformers("models--bob--base/snapshots/a1");
    let text = |found: Vec<String>| found.into_iter().find(|m| m.contains("adapter ")).unwrap_or_default();
    assert!(text(search(Discovery::new(), &hub)?).contains("only the last part of the name"));

    transformers("models--acme--base/snapshots/a1");
    let over = |revision: &str| {
        format!(
            "peft adapter over DIR/models--acme--base/snapshots/{revision} (recorded as acme/base, found in the hub cache)"
        )
    };
    assert!(text(search(Discovery::new(), &hub)?).ends_with(&over("a1")));
    // The adapter alone was given: its cache is above it.
    let alone = Discovery::new().open(&lora)?.layout.to_string();
    assert!(alone.contains("models--acme--base/snapshots/a1 (recorded as acme/base"), "{alone}");

    transformers("models--acme--base/snapshots/b2");
    assert!(text(search(Discovery::new(), &hub)?).contains("its `acme/base` may be "));
    write(&hub, "models--acme--base/refs/main", "b2");
    assert!(text(search(Discovery::new(), &hub)?).ends_with(&over("b2")));
    let revision = r#""r":1,"base_model_name_or_path":"acme/base","revision":"a1""#;
    adapter(&lora, revision, &[FC_A, FC_B]);
    assert!(text(search(Discovery::new(), &hub)?).ends_with(&over("a1")));
    adapter(&lora, &revision.replace("a1", "d4"), &[FC_A, FC_B]);
    assert!(text(search(Discovery::new(), &hub)?).contains("the revision of its `acme/base` is not in "));
    // A path into the cache of another machine names the model too.
    let path = r#""r":1,"base_model_name_or_path":"/root/hub/models--acme--base/snapshots/a1""#;
    adapter(&lora, path, &[FC_A, FC_B]);
    assert!(text(search(Discovery::new(), &hub)?).contains("models--acme--base/snapshots/a1 (recorded as /root/hub/"));
    Ok(())
}

#[test]
fn an_adapter_over_an_adapter_adds_both() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    write(dir, "base.safetensors", f32_file(FC));
    let over = |base: &str| format!(r#""r":1,"lora_alpha":1,"base_model_name_or_path":"{base}""#);
    adapter(&dir.join("one"), &over("base"), &[FC_A, FC_B]);
    adapter(&dir.join("two"), &over("../one"), &[FC_A, FC_B]);
    let two = Discovery::new().with_outside().open(dir.join("two"))?;
    assert_eq!(values(&*two.source, "fc.weight")?, [3.0, 5.0, 7.0, -20.0, -40.0, -60.0]);
    #[cfg(feature = "testing")]
    neural_phylogeny::testing::check_parameter_source(&*two.source)?;
    Ok(())
}

#[test]
fn bases_that_lead_back_are_an_error() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    let over = |base: &str| format!(r#""r":1,"base_model_name_or_path":"{base}""#);
    adapter(&dir.join("one"), &over("../two"), &[FC_A, FC_B]);
    adapter(&dir.join("two"), &over("../one"), &[FC_A, FC_B]);
    adapter(&dir.join("self"), &over("."), &[FC_A, FC_B]);
    let found = Discovery::new().search([dir])?;
    assert!(found.models.is_empty());
    for unreadable in &found.unreadable {
        assert!(matches!(unreadable.error, SourceError::AdapterCycle { .. }), "{:?}", unreadable.error);
    }
    assert_eq!(found.unreadable.len(), 3);
    Ok(())
}

#[test]
fn factors_without_a_configuration_are_no_model() -> TestResult {
    let scratch = tempfile::tempdir()?;
    write(scratch.path(), "lora.safetensors", f32_file(&[FC_A, FC_B]));
    assert_eq!(
        search(Discovery::new(), scratch.path())?,
        ["lora: adapter DIR/lora.safetensors uses LoRA tensors (`base_model.model.fc.lora_A.weight`) without an \
          adapter_config.json beside them, which is not supported: merge it into its base and give the merged model"]
    );
    Ok(())
}

#[test]
fn factors_larger_than_what_is_held_at_once_are_taken_in_pieces() -> TestResult {
    let (outputs, inputs, rank) = (500, 600, 300);
    // Small whole numbers: every sum is exact, in whatever order it is taken.
    let fill = |n: usize, step: usize| -> Vec<f32> { (0..n).map(|i| ((i * step) % 5) as f32 - 2.0).collect() };
    let (a, b) = (fill(rank * inputs, 3), fill(outputs * rank, 7));
    let tensors: Tensors<'_> = &[
        ("base_model.model.fc.lora_A.weight", &[rank, inputs], &a),
        ("base_model.model.fc.lora_B.weight", &[outputs, rank], &b),
    ];
    let zeros = vec![0.0; outputs * inputs];
    for turned in [false, true] {
        let shape = if turned { [inputs, outputs] } else { [outputs, inputs] };
        let fields = format!(r#""r":{rank},"lora_alpha":{rank},"fan_in_fan_out":{turned}"#);
        let found = adapted(&fields, &[("fc.weight", &shape, &zeros)], tensors, "fc.weight")?;
        for (at, value) in found.iter().enumerate().step_by(97) {
            let (o, i) = if turned { (at % outputs, at / outputs) } else { (at / inputs, at % inputs) };
            let expected: f32 = (0..rank).map(|k| b[o * rank + k] * a[k * inputs + i]).sum();
            assert_eq!(*value, expected);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_piece_is_what_the_whole_product_has_there(
        (outputs, inputs, rank) in (1usize..24, 1usize..40, 1usize..12),
        dora in any::<bool>(),
        turned in any::<bool>(),
        cuts in prop::collection::vec(0.0f64..1.0, 2),
        seed in prop::collection::vec(-1.0f32..1.0, 97),
    ) {
        let fill = |n: usize, step: usize| -> Vec<f32> { (0..n).map(|i| seed[i * step % seed.len()]).collect() };
        let (w, a, b) = (fill(outputs * inputs, 1), fill(rank * inputs, 5), fill(outputs * rank, 7));
        let magnitudes: Vec<f32> = fill(outputs, 3).iter().map(|m| m.abs() + 0.5).collect();
        let shape = if turned { [inputs, outputs] } else { [outputs, inputs] };
        let mut tensors: Vec<(&str, &[usize], &[f32])> = Vec::new();
        let (a_shape, b_shape, m_shape) = ([rank, inputs], [outputs, rank], [outputs]);
        tensors.push(("base_model.model.fc.lora_A.weight", &a_shape, &a));
        tensors.push(("base_model.model.fc.lora_B.weight", &b_shape, &b));
        if dora {
            tensors.push(("base_model.model.fc.lora_magnitude_vector", &m_shape, &magnitudes));
        }
        let scratch = tempfile::tempdir()?;
        let fields = format!(r#""r":{rank},"lora_alpha":3,"use_dora":{dora},"fan_in_fan_out":{turned}"#);
        adapter(scratch.path(), &fields, &tensors);
        let model = PeftAdapter::open(scratch.path(), base(&[("fc.weight", &shape, &w)])?)?;

        let element = |o: usize, i: usize| {
            let product: f64 = (0..rank).map(|k| f64::from(b[o * rank + k]) * f64::from(a[k * inputs + i])).sum();
            f64::from(w[if turned { i * outputs + o } else { o * inputs + i }]) + 3.0 / rank as f64 * product
        };
        let factor = |o: usize| match dora {
            true => f64::from(magnitudes[o]) / (0..inputs).map(|i| element(o, i).powi(2)).sum::<f64>().sqrt(),
            false => 1.0,
        };
        let size = outputs * inputs;
        let (begin, end) = ((cuts[0] * size as f64) as usize, (cuts[1] * size as f64) as usize);
        let (begin, end) = (begin.min(end), begin.max(end));
        let mut found = vec![0.0; end - begin];
        model.read("fc.weight", begin, &mut found)?;
        for (value, at) in found.iter().zip(begin..) {
            let (o, i) = if turned { (at % outputs, at / outputs) } else { (at / inputs, at % inputs) };
            let expected = factor(o) * element(o, i);
            prop_assert!((f64::from(*value) - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{value} {expected}");
        }
        let whole = values(&model, "fc.weight")?;
        prop_assert!(found.iter().zip(&whole[begin..end]).all(|(f, w)| f.to_bits() == w.to_bits()));
    }

    #[test]
    fn arbitrary_configurations_are_refused_without_a_panic(text in "[ -~]{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let scratch = tempfile::tempdir()?;
        write(scratch.path(), "adapter_model.safetensors", bytes);
        for config in [text.clone(), format!(r#"{{"peft_type":"LORA",{text}}}"#), format!(r#"{{"peft_type":"LORA","rank_pattern":{{"{text}":1}}}}"#)] {
            write(scratch.path(), "adapter_config.json", config);
            prop_assert!(PeftAdapter::open(scratch.path(), InMemory::new()).is_err());
        }
    }
}
