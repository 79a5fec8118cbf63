//! Small random networks, and the forms in which libraries store them.

use neural_phylogeny::InMemory;
use std::collections::BTreeMap;

/// Shape and values of each tensor.
pub(crate) type Network = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Numbers of about a normal distribution.
pub(crate) fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mixed = |x: u64| {
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    // Without mixing, one seed would begin where another comes to later.
    let mut state = mixed(mixed(seed.wrapping_add(0x1234_5678_9abc_def1)) ^ seed);
    let mut uniform = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (mixed(state) >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    move || (0..4).map(|_| uniform()).sum::<f32>() * 3f32.sqrt()
}

pub(crate) fn drawn(shapes: &[(String, Vec<usize>)], seed: u64) -> Network {
    let mut draw = noise(seed);
    let tensor = |(name, shape): &(String, Vec<usize>)| {
        let mean = if shape.len() == 1 && name.contains("norm") && name.ends_with("weight") { 1.0 } else { 0.0 };
        let values = (0..shape.iter().product()).map(|_| mean + 0.1 * draw()).collect();
        (name.clone(), (shape.clone(), values))
    };
    shapes.iter().map(tensor).collect()
}

pub(crate) const WIDTH: usize = 32;
pub(crate) const HEAD: usize = 8;

/// A language model of the Llama architecture, as transformers stores it: four heads, two of keys and values.
pub(crate) fn llama(layers: usize, seed: u64) -> Network {
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![100, WIDTH]),
        ("model.norm.weight".to_owned(), vec![WIDTH]),
        ("lm_head.weight".to_owned(), vec![100, WIDTH]),
    ];
    for l in 0..layers {
        for (name, shape) in [
            ("self_attn.q_proj.weight", vec![WIDTH, WIDTH]),
            ("self_attn.q_proj.bias", vec![WIDTH]),
            ("self_attn.k_proj.weight", vec![2 * HEAD, WIDTH]),
            ("self_attn.k_proj.bias", vec![2 * HEAD]),
            ("self_attn.v_proj.weight", vec![2 * HEAD, WIDTH]),
            ("self_attn.v_proj.bias", vec![2 * HEAD]),
            ("self_attn.o_proj.weight", vec![WIDTH, WIDTH]),
            ("mlp.gate_proj.weight", vec![80, WIDTH]),
            ("mlp.up_proj.weight", vec![80, WIDTH]),
            ("mlp.down_proj.weight", vec![WIDTH, 80]),
            ("input_layernorm.weight", vec![WIDTH]),
            ("post_attention_layernorm.weight", vec![WIDTH]),
        ] {
            shapes.push((format!("model.layers.{l}.{name}"), shape));
        }
    }
    drawn(&shapes, seed)
}

/// A convolutional network, as diffusers stores its kind.
pub(crate) fn unet(seed: u64) -> Network {
    let mut shapes = vec![
        ("conv_in.weight".to_owned(), vec![16, 4, 3, 3]),
        ("conv_in.bias".to_owned(), vec![16]),
        ("conv_out.weight".to_owned(), vec![4, 16, 3, 3]),
        ("conv_out.bias".to_owned(), vec![4]),
    ];
    for block in 0..4 {
        for (name, shape) in [
            ("norm1.weight", vec![16]),
            ("norm1.bias", vec![16]),
            ("conv1.weight", vec![16, 16, 3, 3]),
            ("conv1.bias", vec![16]),
            ("norm2.weight", vec![16]),
            ("norm2.bias", vec![16]),
            ("conv2.weight", vec![16, 16, 3, 3]),
            ("conv2.bias", vec![16]),
            ("time_emb_proj.weight", vec![16, 64]),
            ("time_emb_proj.bias", vec![16]),
            ("conv_shortcut.weight", vec![16, 16, 1, 1]),
        ] {
            shapes.push((format!("down_blocks.{}.resnets.{}.{name}", block / 2, block % 2), shape));
        }
    }
    drawn(&shapes, seed)
}

/// A network trained on from another: each value moves by a share of the deviation of its tensor.
pub(crate) fn tuned(network: &Network, seed: u64, amount: f32) -> Network {
    let mut draw = noise(seed);
    let mut moved = network.clone();
    for (_, values) in moved.values_mut() {
        values.iter_mut().for_each(|x| *x += amount * 0.1 * draw());
    }
    moved
}

pub(crate) fn model(network: &Network) -> InMemory {
    network.iter().fold(InMemory::new(), |model, (name, (shape, values))| {
        model.with_parameter(name.as_str(), shape, values.clone()).unwrap()
    })
}

pub(crate) fn renamed(network: &Network, name: impl Fn(&str) -> String) -> Network {
    let new: Network = network.iter().map(|(n, t)| (name(n), t.clone())).collect();
    assert_eq!(new.len(), network.len());
    new
}

/// Names without any sense or order.
pub(crate) fn scrambled(network: &Network, seed: u64) -> Network {
    let number = |name: &str| {
        name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
    };
    renamed(network, |name| format!("{:016x}", number(name)))
}

/// Rows of one matrix after those of another.
pub(crate) fn stacked(parts: &[&(Vec<usize>, Vec<f32>)]) -> (Vec<usize>, Vec<f32>) {
    let mut shape = parts[0].0.clone();
    shape[0] = parts.iter().map(|p| p.0[0]).sum();
    (shape, parts.iter().flat_map(|p| p.1.iter().copied()).collect())
}

/// The matrix or vector with these rows.
pub(crate) fn rows(tensor: &(Vec<usize>, Vec<f32>), order: &[usize]) -> (Vec<usize>, Vec<f32>) {
    let row: usize = tensor.0[1..].iter().product();
    let mut shape = tensor.0.clone();
    shape[0] = order.len();
    (shape, order.iter().flat_map(|&r| tensor.1[r * row..][..row].iter().copied()).collect())
}

/// The array with its axes in another order.
pub(crate) fn turned(tensor: &(Vec<usize>, Vec<f32>), axes: &[usize]) -> (Vec<usize>, Vec<f32>) {
    let shape: Vec<usize> = axes.iter().map(|&a| tensor.0[a]).collect();
    let mut values = Vec::with_capacity(tensor.1.len());
    for at in 0..tensor.1.len() {
        let (mut rest, mut index) = (at, vec![0; axes.len()]);
        for (k, &d) in shape.iter().enumerate().rev() {
            index[axes[k]] = rest % d;
            rest /= d;
        }
        values.push(tensor.1[index.iter().zip(&tensor.0).fold(0, |at, (i, d)| at * d + i)]);
    }
    (shape, values)
}

/// The names of Meta, with the rows of queries and keys interleaved for rotary embeddings.
pub(crate) fn meta(network: &Network) -> Network {
    let mut new = Network::new();
    for (name, tensor) in network {
        let mut tensor = tensor.clone();
        if name.contains("q_proj") || name.contains("k_proj") {
            let order: Vec<usize> =
                (0..tensor.0[0]).map(|r| r / HEAD * HEAD + (r % HEAD) / 2 + (r % 2) * HEAD / 2).collect();
            tensor = rows(&tensor, &order);
        }
        let name = [
            ("model.", ""),
            ("embed_tokens", "tok_embeddings"),
            ("lm_head", "output"),
            ("self_attn.q_proj", "attention.wq"),
            ("self_attn.k_proj", "attention.wk"),
            ("self_attn.v_proj", "attention.wv"),
            ("self_attn.o_proj", "attention.wo"),
            ("mlp.gate_proj", "feed_forward.w1"),
            ("mlp.up_proj", "feed_forward.w3"),
            ("mlp.down_proj", "feed_forward.w2"),
            ("input_layernorm", "attention_norm"),
            ("post_attention_layernorm", "ffn_norm"),
        ]
        .iter()
        .fold(name.clone(), |n, (from, to)| n.replace(from, to));
        new.insert(name, tensor);
    }
    new
}

/// How queries, keys and values lie in a fused matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fusion {
    /// One after another.
    After,
    /// By groups: two heads of queries, one of keys, one of values.
    Groups,
}

/// Queries, keys and values in one matrix, gates and values of the feed-forward network in another.
pub(crate) fn fused(network: &Network, fusion: Fusion) -> Network {
    let mut new = network.clone();
    let layers = network.keys().filter(|n| n.contains("q_proj.weight")).count();
    for l in 0..layers {
        let mut take = |name: &str| new.remove(&format!("model.layers.{l}.{name}")).unwrap();
        let mut made = Vec::new();
        for kind in ["weight", "bias"] {
            let [q, k, v] = ["q", "k", "v"].map(|x| take(&format!("self_attn.{x}_proj.{kind}")));
            let joined = stacked(&[&q, &k, &v]);
            let joined = match fusion {
                Fusion::After => joined,
                Fusion::Groups => {
                    let group = |g: usize| {
                        let of = |from: usize, count: usize| from..from + count;
                        of(2 * g * HEAD, 2 * HEAD)
                            .chain(of(WIDTH + g * HEAD, HEAD))
                            .chain(of(WIDTH + (2 + g) * HEAD, HEAD))
                    };
                    rows(&joined, &(0..2).flat_map(group).collect::<Vec<_>>())
                }
            };
            made.push((format!("model.layers.{l}.self_attn.qkv_proj.{kind}"), joined));
        }
        let [gate, up] = ["gate", "up"].map(|x| take(&format!("mlp.{x}_proj.weight")));
        made.push((format!("model.layers.{l}.mlp.gate_up_proj.weight"), stacked(&[&gate, &up])));
        new.extend(made);
    }
    new
}

/// Every matrix turned, as GPT-2 and Flax store them; kernels of convolutions by height, width, inputs, outputs.
pub(crate) fn all_turned(network: &Network) -> Network {
    let turn = |(name, tensor): (&String, &(Vec<usize>, Vec<f32>))| {
        let is_embedding = name.contains("embed") || name.contains("lm_head");
        let tensor = match tensor.0.len() {
            2 if !is_embedding => turned(tensor, &[1, 0]),
            4 => turned(tensor, &[2, 3, 1, 0]),
            _ => tensor.clone(),
        };
        (name.replace("model.layers", "h").replace("weight", "kernel"), tensor)
    };
    network.iter().map(turn).collect()
}

/// The names of single files of diffusion models, beside another network in the same file.
pub(crate) fn single_file(network: &Network, seed: u64) -> Network {
    let names = [
        ("norm1", "in_layers.0"),
        ("conv1", "in_layers.2"),
        ("norm2", "out_layers.0"),
        ("conv2", "out_layers.3"),
        ("time_emb_proj", "emb_layers.1"),
        ("conv_shortcut", "skip_connection"),
    ];
    let mut new = renamed(network, |name| {
        let name = names.iter().fold(name.to_owned(), |n, (from, to)| n.replace(from, to));
        let name = name.replace("conv_in", "input_blocks.0.0").replace("conv_out", "out.2");
        let name = (0..4).fold(name, |n, b| {
            n.replace(&format!("down_blocks.{}.resnets.{}", b / 2, b % 2), &format!("input_blocks.{}.0", b + 1))
        });
        format!("model.diffusion_model.{name}")
    });
    let text = drawn(
        &[
            ("cond_stage_model.embed.weight".to_owned(), vec![90, 60]),
            ("cond_stage_model.fc.weight".to_owned(), vec![60, 60]),
        ],
        seed,
    );
    new.extend(text);
    new
}

/// Experts in one stack for all, as `experts`; and each for itself.
pub(crate) fn experts(seed: u64, is_stacked: bool) -> Network {
    let mut shapes = vec![("embed.weight".to_owned(), vec![60, 24]), ("head.weight".to_owned(), vec![61, 24])];
    for e in 0..4 {
        shapes.push((format!("mlp.experts.{e}.up_proj.weight"), vec![40, 24]));
        shapes.push((format!("mlp.experts.{e}.gate_proj.weight"), vec![40, 24]));
        shapes.push((format!("mlp.experts.{e}.down_proj.weight"), vec![24, 40]));
    }
    let mut network = drawn(&shapes, seed);
    if is_stacked {
        let mut of = |name: &str| -> Vec<(Vec<usize>, Vec<f32>)> {
            (0..4).map(|e| network.remove(&format!("mlp.experts.{e}.{name}.weight")).unwrap()).collect()
        };
        let (up, gate, down) = (of("up_proj"), of("gate_proj"), of("down_proj"));
        let stack = |parts: Vec<(Vec<usize>, Vec<f32>)>| {
            let shape = std::iter::once(4).chain(parts[0].0.iter().copied()).collect();
            (shape, parts.into_iter().flat_map(|p| p.1).collect())
        };
        let gate_up: Vec<_> = gate.iter().zip(&up).map(|(g, u)| turned(&stacked(&[g, u]), &[1, 0])).collect();
        network.insert("mlp.experts.gate_up_proj".to_owned(), stack(gate_up));
        network.insert("mlp.experts.down_proj".to_owned(), stack(down));
    }
    network
}
