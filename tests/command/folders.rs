//! Piles as people have them: bad members among good ones, chosen names, and what a caller of the JSON gets to know.

use crate::support::{SHAPES, Zoo, network, write};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Writes tensors of zero bytes.
fn write_zeros(path: &Path, tensors: &[(&str, Dtype, &[usize])]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let bytes = vec![0; 1 << 20];
    let view = |dtype: Dtype, shape: &[usize]| {
        let size = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        TensorView::new(dtype, shape.to_vec(), &bytes[..size]).unwrap()
    };
    let tensors: Vec<(&str, TensorView<'_>)> = tensors.iter().map(|(n, d, s)| (*n, view(*d, s))).collect();
    safetensors::serialize_to_file(tensors, None, path).unwrap();
}

/// Adds two models that diverged: one in a value that a sample of the file sees, one at its end.
fn with_diverged(zoo: Zoo) -> Zoo {
    for (name, tensor, at) in [("late", 2, 799), ("early", 2, 400)] {
        let mut diverged = network(&mut ChaCha8Rng::seed_from_u64(2), &SHAPES);
        diverged[tensor][at] = f32::NAN;
        write(&zoo.path(&format!("zoo/{name}.safetensors")), &SHAPES, &diverged);
    }
    zoo
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A result without what models were read from, and without what was skipped.
fn bare(text: &str) -> Value {
    let mut file = json(text);
    file.as_object_mut().unwrap().remove("skipped");
    file
}

#[test]
fn models_with_nan_are_skipped_and_the_rest_is_as_without_them() {
    let zoo = Zoo::two_stars();
    let whole = zoo.output("detect zoo --format json");
    let zoo = with_diverged(zoo);
    assert!(zoo.refusal("detect zoo").contains("parameter `fc2.weight` holds NaN at element "));
    let run = zoo.run("detect zoo --skip-unreadable --format json");
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(bare(&run.stdout), bare(&whole));
    let skipped = json(&run.stdout)["skipped"].clone();
    let names: Vec<&str> = skipped.as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert!(names.len() == 2 && names.contains(&"early") && names.contains(&"late"), "{skipped}");
    for name in names {
        assert!(run.stderr.contains(&format!("warning: skipped `{name}`: parameter `fc2.weight` holds NaN")));
    }
    // The numbers of the others change, and the explanation is still that of the model asked for.
    let explained = zoo.run("explain b1 zoo --skip-unreadable");
    assert!(explained.code == 0 && explained.stdout.starts_with("b1: "), "{}", explained.stdout);
    assert!(zoo.refusal("explain late zoo --skip-unreadable").contains("model `late` was skipped: "));
    // Sums of the first attempt do not stand in the way of the second.
    let resumed = zoo.run("detect zoo --skip-unreadable --format json --resume sums --resume-every 0");
    assert_eq!((resumed.code, bare(&resumed.stdout)), (0, bare(&whole)), "{}", resumed.stderr);
    assert!(!zoo.path("sums").exists());
    // Each model is sketched or skipped, and a query says which.
    let sketched = zoo.run("sketch zoo --store store --skip-unreadable");
    assert_eq!((sketched.code, sketched.stdout.lines().count()), (0, 9), "{}", sketched.stderr);
    assert!(zoo.refusal("query --store store zoo/late.safetensors").contains("holds NaN"));
    let run = zoo.run("query --store store zoo/late.safetensors --skip-unreadable --format json");
    assert_eq!((run.code, &json(&run.stdout)["verdict"]), (3, &"not-comparable".into()), "{}", run.stderr);
}

#[test]
fn a_model_with_nothing_to_compare_stops_nothing() {
    let zoo = Zoo::two_stars();
    write_zeros(&zoo.path("zoo/ids.safetensors"), &[("input_ids", Dtype::I64, &[1, 8])]);
    write_zeros(&zoo.path("zoo/zero.safetensors"), &[("fc1.weight", Dtype::F32, &[0])]);
    write_zeros(&zoo.path("zoo/none.safetensors"), &[]);
    for words in ["", " --skip-unreadable"] {
        let table = zoo.output(&format!("detect zoo{words}"));
        assert!(table.starts_with("12 models: 2 families, 1 isolated, 3 not comparable\n"), "{table}");
        for line in [
            "not comparable: 3 models\n",
            "  ids: none of its 1 tensors is a trained parameter\n",
            "  none: it holds no tensors\n",
            "  zero: each of its 1 tensors is empty, as ZeRO-3 leaves them ",
        ] {
            assert!(table.contains(line), "{line}: {table}");
        }
    }
    let text = zoo.output("inspect zoo");
    assert!(text.contains("      not comparable: it holds no tensors\n"), "{text}");
    let models = json(&zoo.output("detect zoo --format json"))["models"].clone();
    let ids = models.as_array().unwrap().iter().find(|m| m["name"] == "ids").unwrap();
    assert!(ids["not_comparable"].as_str().unwrap().contains("trained parameter"), "{ids}");
    assert!(zoo.output("explain ids zoo").starts_with("ids: not comparable: "));
    // Once sketched, they do not stop detection among sketches either.
    zoo.output("sketch zoo --store store");
    assert!(zoo.output("detect --store store").contains("3 not comparable"));
    let run = zoo.run("query --store store zoo/ids.safetensors");
    assert_eq!(run.code, 0, "the same content is in the store: {}", run.stdout);
    zoo.output("store remove ids zero none --store store");
    for name in ["ids", "zero", "none"] {
        let run = zoo.run(&format!("query --store store zoo/{name}.safetensors"));
        assert_eq!(run.code, 3, "{name}: {}", run.stdout);
        assert!(run.stdout.contains("could not be compared: ") && !run.stdout.contains("no kin"), "{}", run.stdout);
    }
    // Alone, such models are no set.
    assert!(zoo.refusal("detect zoo/ids.safetensors zoo/none.safetensors").contains("has no parameter to compare"));
}

#[test]
fn packed_integers_are_not_taken_for_a_stranger() {
    let zoo = Zoo::two_stars();
    let packed: [(&str, Dtype, &[usize]); 3] =
        [("fc1.codes", Dtype::I8, &[40, 30]), ("fc2.codes", Dtype::I8, &[20, 40]), ("fc1.bias", Dtype::F32, &[40])];
    write_zeros(&zoo.path("packed.safetensors"), &packed);
    let said = "98 % of its values are integers of no known method";
    let run = zoo.run("detect zoo packed.safetensors --skip-unreadable");
    assert_eq!(run.code, 0);
    assert!(run.stdout.contains("  packed: ") && run.stdout.contains(said), "{}", run.stdout);
    zoo.output("sketch zoo --store store");
    let run = zoo.run("query --store store packed.safetensors");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains(said), "{}", run.stderr);
    // A model of another shape could not be compared either.
    let other: [(&str, Dtype, &[usize]); 1] = [("conv.weight", Dtype::F32, &[64, 64])];
    write_zeros(&zoo.path("other.safetensors"), &other);
    let run = zoo.run("query --store store other.safetensors");
    assert_eq!(run.code, 3);
    assert!(run.stdout.contains("none of the 9 stored models has a matrix of the same name and shape"));
}

#[test]
fn what_was_read_and_what_was_not_is_in_the_json() {
    let zoo = Zoo::two_stars();
    for name in ["a.nemo", "x.distcp", "model_best.pth.tar"] {
        zoo.write(&format!("zoo/{name}"), "bytes");
    }
    let run = zoo.run("detect zoo --format json");
    assert_eq!(run.code, 0, "{}", run.stderr);
    let file = json(&run.stdout);
    let unread: Vec<&str> = file["unread"].as_array().unwrap().iter().map(|u| u["path"].as_str().unwrap()).collect();
    assert_eq!(unread, ["zoo/a.nemo", "zoo/model_best.pth.tar", "zoo/x.distcp"]);
    assert!(file["unread"].as_array().unwrap().iter().all(|u| u["format"].is_string() && u["reason"].is_string()));
    let first = &file["models"][0];
    assert_eq!((&first["path"], &first["format"]), (&"zoo/a.safetensors".into(), &"safetensors".into()));
    assert_eq!((&first["parameters"], &first["dtype"]["F32"]), (&2040.into(), &2040.into()));
    assert_eq!(first["content"], Value::Null);
    let hashed = json(&zoo.run("detect zoo --format json --content").stdout);
    let [group] = &file["groups"].as_array().unwrap()[..] else { panic!("{file}") };
    assert_eq!(
        (&group["tensors"], &group["values"], &group["models"][0]["share"]),
        (&3.into(), &2040.into(), &1.0.into())
    );
    assert_eq!(zoo.run("sketch zoo --include-models a* --store store").code, 0);
    let stored = json(&zoo.output("detect --store store --format json"));
    assert_eq!(stored["models"][0]["content"].as_str().unwrap().len(), 32);
    assert_eq!(stored["models"][0]["content"], hashed["models"][0]["content"]);
}

#[test]
fn many_files_of_a_kind_are_noted_once() {
    let zoo = Zoo::two_stars();
    for number in 0..40 {
        zoo.write(&format!("zoo/run{number}/x.distcp"), "bytes");
    }
    zoo.write("zoo/b.nemo", "bytes");
    let run = zoo.run("detect zoo");
    assert_eq!((run.code, run.stderr.lines().count()), (0, 2), "{}", run.stderr);
    assert!(run.stderr.contains("note: 40 files such as zoo/run0/x.distcp are not read: "), "{}", run.stderr);
}

#[test]
fn names_are_chosen_by_options_and_lists() {
    let zoo = Zoo::two_stars();
    let chosen = zoo.output("detect --name acme/base=zoo/a.safetensors --name tuned=zoo/a1.safetensors");
    assert!(chosen.contains("acme/base") && chosen.contains("tuned"), "{chosen}");
    zoo.write("list", "# mine\nbase\tzoo/a.safetensors\nzoo/b.safetensors\n");
    let listed = zoo.output("detect --from list zoo/b1.safetensors");
    assert!(listed.contains("base") && listed.contains("b1") && !listed.contains("a1"), "{listed}");
    let folder = zoo.output("detect --name mine=zoo");
    assert!(folder.contains("mine/a1") && folder.contains("mine/alone"), "{folder}");
    assert!(zoo.refusal("detect zoo --name nothing").contains("expected a name"));
    assert!(zoo.refusal("detect --from gone").contains("cannot read the list gone"));
    let twice = "detect --name x=zoo/a.safetensors --name x=zoo/b.safetensors";
    assert!(zoo.refusal(twice).contains("two models are named `x`"));
}

#[test]
fn inspect_lists_what_cannot_be_read_where_nothing_can() {
    let zoo = Zoo::empty();
    zoo.write("zoo/a.safetensors", "damaged");
    zoo.write("zoo/b.nemo", "bytes");
    let text = zoo.output("inspect zoo");
    assert!(text.starts_with("no model can be read\nwould be skipped: a: ") && text.contains("b.nemo: "), "{text}");
    assert!(zoo.refusal("detect zoo --skip-unreadable").contains("found no model"));
}

#[cfg(unix)]
#[test]
fn a_loop_is_skipped_when_asked_for() {
    let zoo = Zoo::two_stars();
    std::os::unix::fs::symlink(".", zoo.path("zoo/latest")).unwrap();
    assert!(zoo.refusal("detect zoo").contains("symbolic link loop"));
    for words in ["detect zoo --skip-unreadable", "sketch zoo --store store --skip-unreadable"] {
        let run = zoo.run(words);
        assert_eq!(run.code, 0, "{words}: {}", run.stderr);
        assert!(run.stderr.contains("warning: skipped `latest`: "), "{}", run.stderr);
    }
    assert!(zoo.output("inspect zoo").contains("would be skipped: latest: "));
}

#[test]
fn parts_of_pipelines_are_compared_part_by_part() {
    let zoo = Zoo::empty();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let unet = network(&mut rng, &SHAPES);
    for name in ["base", "tuned"] {
        zoo.write(&format!("zoo/{name}/model_index.json"), r#"{"unet":["d","U"],"text_encoder":["t","T"]}"#);
        write(&zoo.path(&format!("zoo/{name}/unet/diffusion_pytorch_model.safetensors")), &SHAPES, &unet);
        let text = network(&mut rng, &SHAPES);
        write(&zoo.path(&format!("zoo/{name}/text_encoder/model.safetensors")), &SHAPES, &text);
    }
    let table = zoo.output("detect zoo");
    for part in
        ["base/text_encoder", "tuned/text_encoder", "duplicate", "2 models stand for one part of their pipeline"]
    {
        assert!(table.contains(part), "{part}: {table}");
    }
    let alone = zoo.output("detect zoo --part text_encoder");
    assert!(alone.contains("isolated: 2 models\n  base\n  tuned\n"), "{alone}");
}
