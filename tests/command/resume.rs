//! Runs that are killed, and go on from what they kept.

use crate::support::{Zoo, network, tuned, write};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

const SIGKILL: i32 = 9;

/// One thread and a save after every wave: each matrix is a wave of its own, and a file that is synced.
const KEPT: &str = "--threads 1 --memory 8MiB --resume sums --resume-every 0";

/// A star of six models with so many matrices.
fn star(matrices: usize) -> Zoo {
    let zoo = Zoo::empty();
    let names: Vec<String> = (0..matrices).map(|l| format!("layers.{l}.weight")).collect();
    let shapes: Vec<(&str, &[usize])> = names.iter().map(|name| (name.as_str(), [24, 20].as_slice())).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let root = network(&mut rng, &shapes);
    write(&zoo.path("zoo/root.safetensors"), &shapes, &root);
    for child in 1..=5 {
        write(&zoo.path(&format!("zoo/child{child}.safetensors")), &shapes, &tuned(&mut rng, &root));
    }
    zoo
}

enum Killed {
    /// While sums were kept.
    Between,
    TooLate,
}

/// Runs the command and kills it as soon as `sums` is there.
fn kill(zoo: &Zoo, words: &str) -> Killed {
    let mut command = zoo.command(words.split_whitespace());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let sums = zoo.path("sums");
    while !sums.exists() && child.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    match output.status.signal() {
        // Killed when the distances were whole, it has deleted the file.
        Some(SIGKILL) if sums.is_file() => Killed::Between,
        Some(SIGKILL) => Killed::TooLate,
        _ => {
            assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
            Killed::TooLate
        }
    }
}

/// A star whose run was killed, and kept what it had summed.
fn killed() -> Zoo {
    for matrices in [200, 800, 3200] {
        let zoo = star(matrices);
        match kill(&zoo, &format!("detect zoo --format json {KEPT}")) {
            Killed::Between => return zoo,
            Killed::TooLate => eprintln!("{matrices} matrices were read before the kill"),
        }
    }
    panic!("no run was killed before its distances were whole: give the star more matrices");
}

#[test]
fn a_killed_run_goes_on_and_gives_the_same_bytes() {
    let zoo = killed();
    let kept = fs::read(zoo.path("sums")).unwrap();
    let whole = zoo.output("detect zoo --format json --threads 1 --memory 8MiB");
    assert_eq!(zoo.output(&format!("detect zoo --format json {KEPT}")), whole);
    // Neither the file nor what a kill leaves beside it.
    assert_eq!(zoo.beside(), ["zoo"]);

    // Sums are of models, not of commands.
    zoo.write("sums", &kept);
    let explained = zoo.output("explain child1 zoo --memory 8MiB");
    assert_eq!(zoo.output(&format!("explain child1 zoo {KEPT}")), explained);
    assert_eq!(zoo.beside(), ["zoo"]);
}

#[test]
fn what_a_killed_run_kept_is_read_and_not_passed_over() {
    let zoo = killed();
    let kept = fs::read(zoo.path("sums")).unwrap();
    let other = zoo.refusal("detect zoo --memory 16MiB --resume sums");
    assert!(other.starts_with("error: ") && other.contains("sums was left by a run with memory 8388608 "), "{other}");
    assert_eq!(fs::read(zoo.path("sums")).unwrap(), kept);

    zoo.write("sums", &kept[..kept.len() - 1]);
    let damaged = zoo.refusal(&format!("detect zoo {KEPT}"));
    assert!(damaged.contains("sums is no checkpoint of partial sums, or a damaged one: "), "{damaged}");
    assert_eq!(fs::read(zoo.path("sums")).unwrap(), kept[..kept.len() - 1]);
}

#[test]
fn a_run_that_is_not_stopped_leaves_nothing() {
    let zoo = Zoo::two_stars();
    let whole = zoo.output("detect zoo --format json");
    assert_eq!(zoo.output("detect zoo --format json --resume sums"), whole);
    // Elsewhere all the same: beside files that are given one by one, under a like name, out of the folder again.
    for words in
        ["zoo --resume zoo-sums", "zoo --resume zoo/../sums", "zoo/a.safetensors zoo/a1.safetensors --resume zoo/sums"]
    {
        zoo.output(&format!("detect {words} --format json"));
    }
    assert_eq!((zoo.beside(), zoo.path("zoo/sums").exists()), (vec!["zoo".to_owned()], false));
}

#[test]
fn sums_among_the_models_are_refused_before_anything_is_read() {
    // The damaged model would end the search.
    let zoo = Zoo::two_stars().with_damaged();
    fs::create_dir(zoo.path("zoo/deep")).unwrap();
    symlink("zoo", zoo.path("linked")).unwrap();
    symlink("zoo/a.safetensors", zoo.path("leading-in")).unwrap();
    symlink("../out", zoo.path("zoo/leading-out")).unwrap();
    for (paths, file) in [
        ("zoo", "zoo/sums"),
        ("zoo", "zoo/deep/sums"),
        ("zoo", "./zoo/deep/../sums"),
        ("zoo", "zoo/a.safetensors"),
        ("zoo", "linked/sums"),
        ("linked", "zoo/sums"),
        ("zoo", "leading-in"),
        ("zoo", "zoo/leading-out"),
        (".", "sums"),
        ("zoo/a.safetensors", "zoo/a.safetensors"),
    ] {
        for command in ["detect", "explain a1"] {
            let said = zoo.refusal(&format!("{command} {paths} --resume {file}"));
            let expected = format!(
                "error: partial sums {file} lie within {paths}, which is searched for models: put them elsewhere\n"
            );
            assert_eq!(said, expected);
        }
    }
    // The folder that it lies in is named, not the first.
    let said = zoo.refusal("detect zoo/deep zoo/b.safetensors zoo --resume zoo/sums");
    assert!(said.contains(" lie within zoo, "), "{said}");
    assert_eq!(zoo.beside(), ["leading-in", "linked", "zoo"]);
}

#[test]
fn a_file_that_cannot_be_kept_and_options_without_it_are_refused() {
    let zoo = Zoo::two_stars();
    for (words, part) in [
        ("zoo --resume gone/sums", "error: cannot keep partial sums in gone/sums: "),
        ("zoo --resume-every 3", "--resume <FILE>"),
        ("zoo --resume sums --resume-every=-1", "'--resume-every <SECONDS>'"),
        ("--store sketches --resume sums", "cannot be used with"),
    ] {
        let said = zoo.refusal(&format!("detect {words}"));
        assert!(said.contains(part), "{words}: {said}");
    }
    assert_eq!(zoo.beside(), ["zoo"]);
}
