//! Files made to take memory and time: each is an error that names it, within bounds, and `--skip-unreadable` goes on.

use crate::peak::peak;
use crate::support::{Run, Zoo};
use serde_json::json;
use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;

/// What a hostile file may take beside the least that the command takes.
const ALLOWANCE: u64 = 200 * MIB;

/// A tensor's name and shape.
type Shaped<'n> = (&'n str, [u64; 2]);

/// A safetensors file with holes: it takes no room on the disk, whatever its tensors announce.
fn sparse(zoo: &Zoo, name: &str, tensors: &[Shaped]) {
    let mut end = 0;
    let mut header = serde_json::Map::new();
    for (tensor, shape) in tensors {
        let begin = end;
        end += shape[0] * shape[1];
        header.insert((*tensor).to_owned(), json!({"dtype": "I8", "shape": shape, "data_offsets": [begin, end]}));
    }
    let header = serde_json::to_vec(&header).unwrap();
    let path = zoo.write(name, (header.len() as u64).to_le_bytes());
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(&header).unwrap();
    file.set_len(8 + header.len() as u64 + end).unwrap();
}

/// An adapter folder over `a` of [`Zoo::two_stars`].
fn adapter(zoo: &Zoo, tensors: &[Shaped], mut config: serde_json::Value) {
    sparse(zoo, "zoo/adapter/adapter_model.safetensors", tensors);
    config["base_model_name_or_path"] = json!("../a.safetensors");
    zoo.write("zoo/adapter/adapter_config.json", config.to_string());
}

/// The detection without the hostile file, which is skipped with these parts of a reason, in bounded memory and time.
#[track_caller]
fn is_skipped(zoo: &Zoo, parts: &[&str]) {
    let words = "detect zoo --memory 64MiB --skip-unreadable";
    let begun = Instant::now();
    let Run { code, stdout, stderr } = zoo.run(words);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("├─ a1") || stdout.contains("└─ a1"), "{stdout}");
    for part in parts {
        assert!(stderr.contains(part), "expected `{part}` in: {stderr}");
    }
    let most = peak(words, zoo.command(words.split_whitespace()));
    assert!(most < 64 * MIB + ALLOWANCE, "{} MiB", most / MIB);
    assert!(zoo.refusal("detect zoo --memory 64MiB").contains(parts[0]));
}

#[test]
fn an_adapter_of_huge_rank() {
    let zoo = Zoo::two_stars();
    let rank = 1 << 30;
    let factors = [("fc1.lora_A.weight", [rank, 30]), ("fc1.lora_B.weight", [40, rank])];
    adapter(&zoo, &factors, json!({"peft_type": "LORA", "r": rank, "lora_alpha": 2}));
    is_skipped(&zoo, &["adapter", "found rank 1073741824", "at most 4096 for a weight of 40 x 30"]);
}

#[test]
fn products_of_huge_inner_sides() {
    let inner = 1 << 30;
    let cases: [(&str, &[Shaped]); 3] = [
        (
            "LOHA",
            &[
                ("fc1.hada_w1_a", [40, inner]),
                ("fc1.hada_w1_b", [inner, 30]),
                ("fc1.hada_w2_a", [40, inner]),
                ("fc1.hada_w2_b", [inner, 30]),
            ],
        ),
        ("LOKR", &[("fc1.lokr_w1", [4, 3]), ("fc1.lokr_w2_a", [10, inner]), ("fc1.lokr_w2_b", [inner, 10])]),
        ("LORA", &[("fc1.lora_A.weight", [5000, 30]), ("fc1.lora_B.weight", [40, 5000])]),
    ];
    for (kind, tensors) in cases {
        let zoo = Zoo::two_stars();
        let rank = if kind == "LORA" { 5000 } else { inner };
        adapter(&zoo, tensors, json!({"peft_type": kind, "r": rank, "alpha": 2, "lora_alpha": 2}));
        is_skipped(&zoo, &["adapter", "found rank ", "at most 4096"]);
    }
}

#[test]
fn patterns_that_stand_for_millions_of_states() {
    let factors = [("fc1.lora_A.weight", [2, 30]), ("fc1.lora_B.weight", [40, 2])];
    for pattern in [r"(?:\w{1,100}){1,100}", r"(?:\w{0,100}){0,100}Z", r"((a{0,99}){0,99}){0,99}"] {
        let zoo = Zoo::two_stars();
        let patterns: serde_json::Map<_, _> = (0..400).map(|i| (format!("{pattern}{i}"), json!(2))).collect();
        adapter(&zoo, &factors, json!({"peft_type": "LORA", "r": 2, "rank_pattern": patterns}));
        is_skipped(&zoo, &["adapter", "`rank_pattern`", "at most 65536 bytes"]);
    }
    let zoo = Zoo::two_stars();
    let patterns: serde_json::Map<_, _> = (0..400).map(|i| (format!("(q|k){i}"), json!(2))).collect();
    adapter(&zoo, &factors, json!({"peft_type": "LORA", "r": 2, "rank_pattern": patterns}));
    is_skipped(&zoo, &["adapter", "more than 64 expressions"]);
}

#[test]
fn json_that_is_no_configuration() {
    let zoo = Zoo::two_stars();
    let factors = [("fc1.lora_A.weight", [2, 30]), ("fc1.lora_B.weight", [40, 2])];
    adapter(&zoo, &factors, json!({"peft_type": "LORA", "r": 2}));
    let config = "zoo/adapter/adapter_config.json";
    let zeros = |count: usize| format!(r#"{{"peft_type":"LORA","x":[{}0]}}"#, "0,".repeat(count));
    zoo.write(config, zeros(49_000_000));
    is_skipped(&zoo, &["adapter_config.json has 98", "at most 4194304 bytes"]);
    zoo.write(config, zeros(1_000_000));
    is_skipped(&zoo, &["adapter_config.json has more than 131072 values"]);
}

#[test]
fn a_header_that_is_no_header() {
    let zoo = Zoo::two_stars();
    let header = format!("{{{}}}", " ".repeat(99_000_000));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.bytes());
    zoo.write("zoo/header.safetensors", &file);
    is_skipped(&zoo, &["header.safetensors announces a header of 99000002 bytes", "at most 33554432 are read"]);
    let header = format!(r#"{{"w":{{"dtype":"F32","shape":[{}0],"data_offsets":[0,0]}}}}"#, "0,".repeat(10_000_000));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.bytes());
    zoo.write("zoo/header.safetensors", &file);
    is_skipped(&zoo, &["header.safetensors has more than 2097152 values"]);
    fs::remove_file(zoo.path("zoo/header.safetensors")).unwrap();
    zoo.write(
        "zoo/sharded/model.safetensors.index.json",
        format!(r#"{{"weight_map":{{{}"a":"b"}}}}"#, "\"a\":\"b\",".repeat(7_000_000)),
    );
    is_skipped(&zoo, &["model.safetensors.index.json has more than 524288 values"]);
}
