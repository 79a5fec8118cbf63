//! Networks of well-known libraries, small, in the two forms that their converters lead from and to.

use crate::matching::found;
use crate::networks::*;

type Shapes = Vec<(String, Vec<usize>)>;

fn linear(shapes: &mut Shapes, name: &str, [outputs, inputs]: [usize; 2]) {
    shapes.push((format!("{name}.weight"), vec![outputs, inputs]));
    shapes.push((format!("{name}.bias"), vec![outputs]));
}

fn named(network: &Network, names: &[(&str, &str)]) -> Network {
    renamed(network, |name| names.iter().fold(name.to_owned(), |n, (from, to)| n.replace(from, to)))
}

/// Puts the weights and biases of some modules one below the other, in the module `fused`.
fn fuse(network: &mut Network, parts: &[String], fused: &str) {
    for kind in ["weight", "bias"] {
        let all: Vec<_> = parts.iter().filter_map(|part| network.remove(&format!("{part}.{kind}"))).collect();
        if !all.is_empty() {
            network.insert(format!("{fused}.{kind}"), stacked(&all.iter().collect::<Vec<_>>()));
        }
    }
}

/// Only the names of attention and gates differ, as between Llama and Phi-3. All other names agree.
#[test]
fn fused_parts_among_equal_names_are_found() {
    for fusion in [Fusion::After, Fusion::Groups] {
        assert_eq!(found(&llama(1, 21), |n| fused(n, fusion)), 1.0, "{fusion:?}");
    }
}

/// InternLM2 and Phi-3: three heads of queries for each key and value. The first rows of all are queries, and more than half of
/// all are.
#[test]
fn fused_matrices_are_not_taken_for_queries_with_more_rows() {
    let mut shapes = vec![("embed.weight".to_owned(), vec![60, WIDTH]), ("out.weight".to_owned(), vec![61, WIDTH])];
    for l in 0..3 {
        for (name, rows) in [("q", 6 * HEAD), ("k", 2 * HEAD), ("v", 2 * HEAD)] {
            shapes.push((format!("layers.{l}.{name}.weight"), vec![rows, WIDTH]));
        }
        shapes.push((format!("layers.{l}.o.weight"), vec![WIDTH, 6 * HEAD]));
        shapes.push((format!("layers.{l}.up.weight"), vec![70, WIDTH]));
    }
    let joined = |network: &Network, fusion: Fusion| {
        let mut new = network.clone();
        for l in 0..3 {
            let [q, k, v] = ["q", "k", "v"].map(|x| new.remove(&format!("layers.{l}.{x}.weight")).unwrap());
            let group = |g: usize| {
                let of = |from: usize, heads: usize| from..from + heads * HEAD;
                of(3 * g * HEAD, 3).chain(of((6 + g) * HEAD, 1)).chain(of((8 + g) * HEAD, 1))
            };
            let order: Vec<usize> = match fusion {
                Fusion::Groups => (0..2).flat_map(group).collect(),
                Fusion::After => (0..10 * HEAD).collect(),
            };
            new.insert(format!("layers.{l}.wqkv.weight"), rows(&stacked(&[&q, &k, &v]), &order));
        }
        named(&new, &[("layers", "blocks"), (".up.", ".w1."), (".o.", ".wo."), ("embed", "tok")])
    };
    for fusion in [Fusion::After, Fusion::Groups] {
        assert_eq!(found(&drawn(&shapes, 22), |n| joined(n, fusion)), 1.0, "{fusion:?}");
    }
}

/// GPT-2 stores its linear layers turned, as nanoGPT does not, under the same names. Some of them are square.
#[test]
fn turned_layers_under_the_same_names_are_found() {
    for vocabulary in [40, 600] {
        let mut shapes = vec![
            ("wte.weight".to_owned(), vec![vocabulary, WIDTH]),
            ("wpe.weight".to_owned(), vec![20, WIDTH]),
            ("ln_f.weight".to_owned(), vec![WIDTH]),
        ];
        for l in 0..2 {
            let layers = [("attn.c_attn", 3, 1), ("attn.c_proj", 1, 1), ("mlp.c_fc", 4, 1), ("mlp.c_proj", 1, 4)];
            for (name, outputs, inputs) in layers {
                linear(&mut shapes, &format!("h.{l}.{name}"), [outputs * WIDTH, inputs * WIDTH]);
            }
        }
        let conv1d = |network: &Network| -> Network {
            let turn = |(name, tensor): (&String, &(Vec<usize>, Vec<f32>))| {
                let is_turned = name.contains(".c_") && name.ends_with("weight");
                (name.clone(), if is_turned { turned(tensor, &[1, 0]) } else { tensor.clone() })
            };
            network.iter().map(turn).collect()
        };
        assert_eq!(found(&drawn(&shapes, 23), conv1d), 1.0, "{vocabulary}");
    }
}

/// timm against transformers: one matrix for queries, keys and values, and other names for all else.
#[test]
fn vision_transformers_of_timm_are_found() {
    let mut shapes = vec![
        ("embeddings.cls_token".to_owned(), vec![1, 1, WIDTH]),
        ("embeddings.position_embeddings".to_owned(), vec![1, 17, WIDTH]),
        ("embeddings.projection.weight".to_owned(), vec![WIDTH, 3, 4, 4]),
        ("embeddings.projection.bias".to_owned(), vec![WIDTH]),
    ];
    for l in 0..2 {
        for name in ["attention.query", "attention.key", "attention.value", "attention.output"] {
            linear(&mut shapes, &format!("layer.{l}.{name}"), [WIDTH, WIDTH]);
        }
        linear(&mut shapes, &format!("layer.{l}.intermediate"), [4 * WIDTH, WIDTH]);
        linear(&mut shapes, &format!("layer.{l}.output"), [WIDTH, 4 * WIDTH]);
    }
    linear(&mut shapes, "classifier", [37, WIDTH]);
    let timm = |network: &Network| {
        let mut new = network.clone();
        for l in 0..2 {
            let parts = ["query", "key", "value"].map(|x| format!("layer.{l}.attention.{x}"));
            fuse(&mut new, &parts, &format!("layer.{l}.attn.qkv"));
        }
        let names = [
            ("layer.", "blocks."),
            ("attention.output", "attn.proj"),
            ("intermediate", "mlp.fc1"),
            ("output", "mlp.fc2"),
            ("embeddings.cls_token", "cls_token"),
            ("embeddings.position_embeddings", "pos_embed"),
            ("embeddings.projection", "patch_embed.proj"),
            ("classifier", "head"),
        ];
        named(&new, &names)
    };
    assert_eq!(found(&drawn(&shapes, 24), timm), 1.0);
}

/// Flux: single blocks with queries, keys, values and the feed-forward network in one matrix, double blocks with two of three.
#[test]
fn files_of_flux_are_found() {
    let mut shapes = Vec::new();
    linear(&mut shapes, "x_embedder", [WIDTH, 16]);
    linear(&mut shapes, "context_embedder", [WIDTH, 40]);
    linear(&mut shapes, "proj_out", [16, WIDTH]);
    for b in 0..2 {
        for name in ["to_q", "to_k", "to_v", "add_q", "add_k", "add_v", "to_out"] {
            linear(&mut shapes, &format!("double.{b}.{name}"), [WIDTH, WIDTH]);
        }
        linear(&mut shapes, &format!("double.{b}.norm"), [6 * WIDTH, WIDTH]);
        linear(&mut shapes, &format!("double.{b}.ff"), [4 * WIDTH, WIDTH]);
        for name in ["to_q", "to_k", "to_v"] {
            linear(&mut shapes, &format!("single.{b}.{name}"), [WIDTH, WIDTH]);
        }
        linear(&mut shapes, &format!("single.{b}.mlp"), [4 * WIDTH, WIDTH]);
        linear(&mut shapes, &format!("single.{b}.out"), [WIDTH, 5 * WIDTH]);
    }
    let original = |network: &Network| {
        let mut new = network.clone();
        for b in 0..2 {
            let of = |block: &str, names: [&str; 3]| names.map(|x| format!("{block}.{b}.{x}"));
            fuse(&mut new, &of("double", ["to_q", "to_k", "to_v"]), &format!("double.{b}.img_attn.qkv"));
            fuse(&mut new, &of("double", ["add_q", "add_k", "add_v"]), &format!("double.{b}.txt_attn.qkv"));
            let mut parts = of("single", ["to_q", "to_k", "to_v"]).to_vec();
            parts.push(format!("single.{b}.mlp"));
            fuse(&mut new, &parts, &format!("single.{b}.linear1"));
        }
        let names = [
            ("double.", "model.diffusion_model.double_blocks."),
            ("single.", "model.diffusion_model.single_blocks."),
            ("x_embedder", "model.diffusion_model.img_in"),
            ("context_embedder", "model.diffusion_model.txt_in"),
            ("proj_out", "model.diffusion_model.final_layer.linear"),
            (".norm.", ".img_mod.lin."),
            (".ff.", ".img_mlp.0."),
            (".out.", ".linear2."),
        ];
        named(&new, &names)
    };
    assert_eq!(found(&drawn(&shapes, 25), original), 1.0);
}

/// The VAE of SDXL: linear layers of attention are stored as kernels of one by one.
#[test]
fn kernels_of_one_by_one_are_found() {
    let network = unet(26);
    let kernels = |network: &Network| -> Network {
        let mut new = single_file(network, 27);
        for (shape, _) in new.iter_mut().filter(|(name, _)| name.contains("emb_layers.1.weight")).map(|(_, t)| t) {
            shape.extend([1, 1]);
        }
        new
    };
    assert!(found(&network, kernels) > 0.98);
}
