//! Folders with PyTorch files: which of them are models, and which are not.

use crate::support::{TestResult, values, write};
use neural_phylogeny::discover::{Discovered, Discovery, IgnoredKind};
use neural_phylogeny::format::SafetensorsFile;
use neural_phylogeny::{ParameterSource, SourceError};
use std::path::{Path, PathBuf};

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats/pytorch").join(name)
}

fn place(dir: &Path, name: &str, from: &str) -> TestResult {
    write(dir, name, std::fs::read(data(from))?);
    Ok(())
}

fn models(found: &Discovered) -> Vec<String> {
    found.models.iter().map(|m| format!("{}: {}", m.name, m.layout)).collect()
}

fn lines(found: &Discovered, dir: &Path) -> Vec<String> {
    let ignored = found.ignored.iter().map(|i| format!("{}: {}", i.path.display(), i.reason));
    let unreadable = found.unreadable.iter().map(|u| u.error.to_string());
    ignored.chain(unreadable).map(|line| line.replace(&dir.display().to_string(), "DIR")).collect()
}

fn same(found: &dyn ParameterSource, expected: &str) -> TestResult {
    let expected = SafetensorsFile::open(data(expected))?;
    assert_eq!(found.parameters()?, expected.parameters()?);
    for info in expected.parameters()? {
        assert_eq!(values(found, &info.name)?, values(&expected, &info.name)?, "{}", info.name);
    }
    Ok(())
}

#[test]
fn the_folders_of_libraries_are_models() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    write(dir, "bert/config.json", "{}");
    place(dir, "bert/pytorch_model.bin", "state_2.pt")?;
    for name in ["optimizer.pt", "scheduler.pt", "rng_state_0.pth", "training_args.bin", "scaler.pt"] {
        write(dir, &format!("bert/{name}"), "whatever");
    }
    write(dir, "both/config.json", "{}");
    place(dir, "both/pytorch_model.bin", "state_2.pt")?;
    place(dir, "both/model.safetensors", "state_2.safetensors")?;
    place(dir, "unet/diffusion_pytorch_model.bin", "state_4.pt")?;
    write(dir, "pointer/config.json", "{}");
    write(dir, "pointer/pytorch_model.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
    let found = Discovery::new().search([dir, &data("sharded")])?;
    assert_eq!(
        models(&found),
        [
            "bert: transformers folder",
            "both: transformers folder",
            "sharded: transformers folder",
            "unet: diffusers unet"
        ]
    );
    same(&*found.models[0].source, "state_2.safetensors")?;
    same(&*found.models[2].source, "sharded.safetensors")?;
    assert_eq!(
        lines(&found, dir),
        [
            "DIR/both/pytorch_model.bin: beside model.safetensors, which is the one taken",
            "DIR/pointer/pytorch_model.bin is a Git LFS pointer, not the weights: fetch them with `git lfs pull`",
        ]
    );
    Ok(())
}

#[test]
fn files_side_by_side_are_models_unless_they_are_of_other_programs() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    place(dir, "a.ckpt", "lightning.ckpt")?;
    place(dir, "model_best.pth.tar", "legacy.pth")?;
    place(dir, "mp_rank_00_model_states.pt", "wrapped_deepspeed.pth")?;
    write(dir, "firmware.bin", [7; 100]);
    write(dir, "ggml-base.bin", [7; 100]);
    write(dir, "notes.pt", "some text that is no checkpoint");
    for rank in 0..3 {
        write(dir, &format!("zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"), "");
        write(dir, &format!("__{rank}_0.distcp"), "");
    }
    let found = Discovery::new().search([dir])?;
    assert_eq!(models(&found), ["a: pytorch file", "model_best: pytorch file", "model_states: pytorch shards"]);
    assert_eq!(
        lines(&found, dir),
        [
            "DIR/__0_0.distcp: a piece of a torch.distributed checkpoint: not read, convert it with \
             `python -m torch.distributed.checkpoint.format_utils dcp_to_torch DIR model.pt`",
            "DIR/firmware.bin: a .bin file of another program, by its first bytes",
            "DIR/ggml-base.bin: a GGML file: not read, convert it to safetensors",
            "DIR/notes.pt: a .pt file of another program, by its first bytes",
            "DIR/zero_pp_rank_0_mp_rank_00_optim_states.pt: a piece of a DeepSpeed ZeRO checkpoint: not read, \
             convert it with `python zero_to_fp32.py DIR OUT`",
        ]
    );
    // Where it is asked for by name, it is an error.
    let found = Discovery::new().search([dir.join("notes.pt")])?;
    assert_eq!(
        lines(&found, dir),
        [
            "DIR/notes.pt is not a valid PyTorch file: it begins with the bytes 73 6f 6d 65 20 74 65 78, expected a zip archive \
          or pickle of torch.save"
        ]
    );
    Ok(())
}

#[test]
fn slices_are_joined_along_the_dimension_of_their_layout() -> TestResult {
    for generation in ["llama2", "llama3"] {
        let found = Discovery::new().search([data(generation)])?;
        assert_eq!(models(&found), ["consolidated: pytorch shards"]);
        let joined = &*found.models[0].source;
        same(joined, "llama.safetensors")?;
        let expected = SafetensorsFile::open(data("llama.safetensors"))?;
        for info in expected.parameters()? {
            let whole = values(&expected, &info.name)?;
            for begin in (0..whole.len()).step_by(5) {
                for end in (begin..=whole.len()).step_by(3) {
                    let mut part = vec![0.0; end - begin];
                    joined.read(&info.name, begin, &mut part)?;
                    assert_eq!(part, whole[begin..end], "{} {begin}..{end}", info.name);
                    let (mut bytes, mut wanted) = (vec![0; 2 * part.len()], vec![0; 2 * part.len()]);
                    joined.read_bytes(&info.name, 2 * begin, &mut bytes)?;
                    expected.read_bytes(&info.name, 2 * begin, &mut wanted)?;
                    assert_eq!(bytes, wanted);
                }
            }
            let error = joined.read(&info.name, whole.len(), &mut [0.0]);
            assert!(matches!(error, Err(SourceError::OutOfRange { .. })));
        }
    }
    // Each slice stands for the model, as shells give them.
    let given = [data("llama2/consolidated.00.pth"), data("llama2/consolidated.01.pth"), data("llama2/params.json")];
    assert_eq!(models(&Discovery::new().search(given)?), ["consolidated: pytorch shards"]);
    Ok(())
}

#[test]
fn a_second_copy_in_the_layout_of_meta_is_listed_and_no_model() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    let slices = |folder: &str| {
        for file in ["consolidated.00.pth", "consolidated.01.pth", "params.json"] {
            place(dir, &format!("{folder}/{file}"), &format!("llama2/{file}"))?;
        }
        TestResult::Ok(())
    };
    for name in ["llama", "more"] {
        write(dir, &format!("{name}/config.json"), "{}");
        place(dir, &format!("{name}/model.safetensors"), "llama.safetensors")?;
        slices(&format!("{name}/original"))?;
    }
    let reason = "the weights of model.safetensors once more, in Meta's layout; to compare them, give this folder";
    let found = Discovery::new().search([dir.join("llama")])?;
    assert_eq!(models(&found), ["llama: transformers folder"]);
    assert_eq!(lines(&found, dir), [format!("DIR/llama/original: {reason}")]);
    assert_eq!(found.ignored[0].kind, IgnoredKind::Beside);
    // Where it is asked for, and where it is the only copy, it is the model.
    let given = Discovery::new().search([dir.join("llama/original")])?;
    assert_eq!(models(&given), ["consolidated: pytorch shards"]);
    slices("bare/original")?;
    assert_eq!(models(&Discovery::new().search([dir.join("bare")])?), ["original/consolidated: pytorch shards"]);
    // A folder with anything else in it is searched as any other.
    place(dir, "more/original/finetuned.pt", "state_2.pt")?;
    let expected = [
        "more: transformers folder",
        "more/original/consolidated: pytorch shards",
        "more/original/finetuned: pytorch file",
    ];
    assert_eq!(models(&Discovery::new().search([dir])?)[2..], expected);
    Ok(())
}

#[test]
fn slices_that_cannot_be_joined_are_refused() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    let (first, second) = ("llama2/consolidated.00.pth", "llama2/consolidated.01.pth");
    place(dir, "alone/consolidated.00.pth", first)?;
    place(dir, "gap/consolidated.00.pth", first)?;
    place(dir, "gap/consolidated.02.pth", second)?;
    for slice in ["00", "01"] {
        place(dir, &format!("other/mp_rank_{slice}_model_states.pt"), "wrapped_deepspeed.pth")?;
        place(dir, &format!("params/consolidated.{slice}.pth"), "llama3/consolidated.00.pth")?;
        place(dir, &format!("uneven/consolidated.{slice}.pth"), first)?;
    }
    place(dir, "uneven/consolidated.01.pth", "state_2.pt")?;
    place(dir, "three/consolidated.00.pth", first)?;
    place(dir, "three/consolidated.01.pth", second)?;
    place(dir, "three/consolidated.02.pth", second)?;
    write(dir, "params/params.json", r#"{"dim":8,"vocab_size":40}"#);
    let found = Discovery::new().search([dir])?;
    assert_eq!(models(&found), ["alone/consolidated: pytorch shards"]);
    let expected = [
        "shard DIR/gap/consolidated.01.pth is missing, needed by DIR/gap",
        "tensor `blocks.0.weight` cannot be joined: along which dimension it is split is not known",
        "tensor `output.weight` cannot be joined: 2 parts of it have 10 rows, `params.json` says 40",
        "tensor `tok_embeddings.weight` cannot be joined: no 3 parts of it have the model's width",
        "cannot be joined: DIR/uneven/consolidated.01.pth has no part of the same shape",
    ];
    let found = lines(&found, dir);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (line, expected) in found.iter().zip(expected) {
        assert!(line.contains(expected), "{line}");
    }
    Ok(())
}
