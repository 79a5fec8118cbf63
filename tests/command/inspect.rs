use crate::support::{Zoo, network, write};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const OTHER: [(&str, &[usize]); 2] = [("conv.weight", &[8, 4, 3, 3]), ("head.weight", &[10, 30])];

#[test]
fn groups_parameters_and_buffers_are_shown() {
    let zoo = Zoo::two_stars();
    write(&zoo.path("zoo/other.safetensors"), &OTHER, &network(&mut ChaCha8Rng::seed_from_u64(3), &OTHER));
    let text = zoo.output("inspect zoo");
    for part in [
        "group 0: 9 models, comparable on 3 parameters of 2040 values that all of them have\n",
        "  a1: 3 parameters (2040 F32), 1 buffer; ",
        "a1.safetensors\n",
        "group 1: 1 model, comparable with no other\n  other: 2 parameters (588 F32), 1 buffer; ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("fc2.weight"));
    let tensors = zoo.output("inspect zoo --tensors --exclude fc1.*");
    for line in [
        "      fc1.bias [40] F32 excluded\n",
        "      fc2.weight [20, 40] F32 parameter\n",
        "      norm.num_batches_tracked [] I64 buffer\n",
    ] {
        assert!(tensors.contains(line), "{line}: {tensors}");
    }
}

#[test]
fn a_resized_vocabulary_and_a_wrapper_are_shown() {
    let zoo = Zoo::empty();
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let small: [(&str, &[usize]); 2] = [("embed.weight", &[50, 8]), ("fc.weight", &[30, 30])];
    let large: [(&str, &[usize]); 2] = [("model.embed.weight", &[52, 8]), ("model.fc.weight", &[30, 30])];
    write(&zoo.path("zoo/small.safetensors"), &small, &network(&mut rng, &small));
    for name in ["large", "larger"] {
        write(&zoo.path(&format!("zoo/{name}.safetensors")), &large, &network(&mut rng, &large));
    }
    let text = zoo.output("inspect zoo");
    for part in [
        "group 0: 3 models, comparable on 2 parameters of 1300 values",
        "  1 parameter is not in all of them, or not with all rows:\n    embed.weight rows 50..52: in 2 of them\n",
        "compared under the names of others: large, larger\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_would_be_skipped_is_said_with_the_reason() {
    let zoo = Zoo::two_stars().with_damaged();
    zoo.write("zoo/model.tflite", "program");
    let text = zoo.output("inspect zoo");
    assert!(text.contains("\nwould be skipped: damaged: "), "{text}");
    assert!(text.contains("damaged.safetensors is truncated: found "), "{text}");
    assert!(text.contains("\nnot read: ") && text.contains("model.tflite: "), "{text}");
}

#[test]
fn tensors_of_some_models_are_counted_and_shown_by_example() {
    let zoo = Zoo::empty();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let body: (&str, &[usize]) = ("body.weight", &[40, 40]);
    let heads = ["h0.weight", "h1.weight", "h2.weight", "h3.weight", "h4.weight"];
    let headed: Vec<(&str, &[usize])> = [body].into_iter().chain(heads.map(|h| (h, &[4, 40][..]))).collect();
    write(&zoo.path("zoo/bare.safetensors"), &[body], &network(&mut rng, &[body]));
    for name in ["one", "two"] {
        write(&zoo.path(&format!("zoo/{name}.safetensors")), &headed, &network(&mut rng, &headed));
    }
    let short = zoo.output("inspect zoo");
    let count = "  5 parameters are not in all of them, or not with all rows:\n    h0.weight rows 0..4: in 2 of them\n";
    assert!(short.contains(count) && short.contains("    and 2 more, which --tensors lists\n"), "{short}");
    assert!(!short.contains("h3.weight"), "{short}");
    let all = zoo.output("inspect zoo --tensors");
    assert!(all.contains("    h4.weight rows 0..4: in 2 of them\n") && !all.contains(" more, "), "{all}");
}
