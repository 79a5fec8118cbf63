//! Slips of the hand that would cost models or hang.

use crate::support::{SHAPES, Zoo, network, write};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::fs;
use std::io::Read;
use std::process::Stdio;

#[test]
fn an_output_never_replaces_a_model() {
    let zoo = Zoo::two_stars().with_damaged();
    zoo.write("zoo/config.json", "{}");
    for file in ["zoo/a.safetensors", "zoo/damaged.safetensors", "zoo/config.json"] {
        let before = fs::read(zoo.path(file)).unwrap();
        for words in ["detect zoo", "explain a zoo", "compare zoo/a.safetensors zoo/b.safetensors", "evaluate x y"] {
            let said = zoo.refusal(&format!("{words} -o {file}"));
            assert!(said.contains(&format!("output {file} is a file of a model")), "{said}");
        }
        assert_eq!(fs::read(zoo.path(file)).unwrap(), before);
    }
    // A result of before is replaced, in every form.
    fs::remove_file(zoo.path("zoo/damaged.safetensors")).unwrap();
    for form in ["table", "json", "dot", "newick"] {
        for name in ["out", "out.json", "out.txt"] {
            let words = format!("detect zoo --format {form} -o {name}");
            zoo.output(&words);
            zoo.output(&words);
        }
    }
}

#[test]
fn a_store_is_not_made_of_a_folder_of_models() {
    let zoo = Zoo::two_stars();
    for store in ["zoo", ".", "zoo/../zoo"] {
        let said = zoo.refusal(&format!("sketch zoo --store {store}"));
        assert!(said.contains("holds the model `a`") && said.contains("expected a folder without models"), "{said}");
    }
    assert!(zoo.output("detect zoo").contains("9 models"));
    zoo.output("sketch zoo --store store");
    zoo.output("sketch zoo --store zoo/store");
}

#[test]
fn a_store_keeps_no_settings_that_made_no_sketch() {
    let zoo = Zoo::two_stars();
    zoo.refusal("sketch zoo --store store --size 10");
    assert_eq!(zoo.output("sketch zoo --store store").lines().count(), 9);
    assert_eq!(zoo.output("store list --store store").lines().count(), 10);
}

#[test]
fn an_unknown_name_removes_nothing() {
    let zoo = Zoo::two_stars();
    zoo.output("sketch zoo --store store");
    let said = zoo.refusal("store remove a nope b --store store");
    assert!(said.contains("nope"), "{said}");
    assert_eq!(zoo.output("store list --store store").lines().count(), 10);
    zoo.output("store remove a b --store store");
    assert_eq!(zoo.output("store list --store store").lines().count(), 8);
}

#[test]
fn sketches_are_all_stored_when_nobody_reads_the_list() {
    let zoo = Zoo::two_stars();
    let mut child = zoo.command(["sketch", "zoo", "--store", "store"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 5];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(zoo.output("store list --store store").lines().count(), 10);
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_without_a_writer_is_refused() {
    let zoo = Zoo::empty();
    let made = std::process::Command::new("mkfifo").arg(zoo.path("pipe")).status().unwrap();
    assert!(made.success());
    let said = zoo.refusal("evaluate pipe pipe");
    assert!(said.contains("cannot read pipe: it is no regular file"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_ends_with_the_code_of_a_failure() {
    let zoo = Zoo::two_stars();
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let status = zoo.command(["detect", "zoo"]).stdout(full()).status().unwrap();
    assert_eq!(status.code(), Some(2));
    let status = zoo.command(["detect", "nowhere"]).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn names_that_differ_in_bytes_that_are_no_text_are_two_models() {
    use std::os::unix::ffi::OsStrExt;
    let zoo = Zoo::empty();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for name in [&b"zoo/m\xff.safetensors"[..], b"zoo/m\xfe.safetensors"] {
        let name = std::path::Path::new(std::ffi::OsStr::from_bytes(name));
        write(&zoo.path("").join(name), &SHAPES, &network(&mut rng, &SHAPES));
    }
    assert!(zoo.output("detect zoo").contains("2 models"));
    zoo.output("sketch zoo --store store");
    assert_eq!(zoo.output("store list --store store").lines().count(), 3);
}
