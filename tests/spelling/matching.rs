//! Which tensors are matched, and that they are the right ones.

use crate::networks::*;
use neural_phylogeny::model_set::{Matching, Position};
use neural_phylogeny::{ModelId, ModelSet, ParameterSource};

fn set(models: &[&Network]) -> ModelSet {
    let named = models.iter().enumerate().map(|(i, network)| (format!("m{i}"), model(network)));
    ModelSet::from_models(named).unwrap()
}

/// Checks that two models are of one group, and that every tensor they share holds near values. Returns the share of the
/// values of the smaller one that are shared.
fn share(models: &ModelSet, near: f32) -> f64 {
    assert_eq!(models.groups().len(), 1, "{:?}", models.groups().iter().map(|g| g.resembling()).collect::<Vec<_>>());
    let group = &models.groups()[0];
    let mut shared = 0;
    for (p, parameter) in group.parameters().iter().enumerate() {
        if parameter.holders.len() < 2 {
            continue;
        }
        let [a, b] = [0, 1].map(|m| {
            let mut values = vec![0.0; parameter.size()];
            let own = group.own_name(Position::new(m), p).unwrap();
            models.source(ModelId::new(m)).read(own, parameter.offset(), &mut values).unwrap();
            values
        });
        let squared = |x: &[f32]| x.iter().map(|v| v * v).sum::<f32>();
        let apart: Vec<f32> = a.iter().zip(&b).map(|(x, y)| x - y).collect();
        let relative = (squared(&apart) / squared(&a).max(1e-12)).sqrt();
        let own = [0, 1].map(|m| group.own_name(Position::new(m), p));
        assert!(relative <= near, "{} is {own:?} at {relative}", parameter.name);
        shared += parameter.size();
    }
    let all: usize = model_size(models);
    shared as f64 / all as f64
}

fn model_size(models: &ModelSet) -> usize {
    let size = |model: usize| -> usize { models.parameters(ModelId::new(model)).map(|(info, _)| info.size()).sum() };
    models.ids().map(|m| size(m.index())).min().unwrap()
}

/// A child that moved by a fifth of its parent's deviations, in another form. Either may come first.
pub(crate) fn found(network: &Network, form: impl Fn(&Network) -> Network) -> f64 {
    let child = form(&tuned(network, 77, 0.2));
    let both = [share(&set(&[network, &child]), 0.4), share(&set(&[&child, network]), 0.4)];
    // Copies in the other form are found as such.
    let copy = form(network);
    share(&set(&[network, &copy]), 0.0);
    both[0].min(both[1])
}

#[test]
fn scrambled_names_are_found() {
    assert!(found(&llama(3, 1), |n| scrambled(n, 5)) > 0.98);
    assert!(found(&unet(2), |n| scrambled(n, 6)) > 0.98);
}

#[test]
fn names_of_meta_with_permuted_rows_are_found() {
    assert_eq!(found(&llama(3, 3), meta), 1.0);
}

#[test]
fn names_of_single_files_are_found_beside_other_networks() {
    assert!(found(&unet(4), |n| single_file(n, 9)) > 0.98);
}

#[test]
fn fused_matrices_are_found() {
    for fusion in [Fusion::After, Fusion::Groups] {
        assert_eq!(found(&llama(3, 5), |n| fused(n, fusion)), 1.0, "{fusion:?}");
    }
}

#[test]
fn turned_matrices_are_found() {
    assert_eq!(found(&llama(3, 6), all_turned), 1.0);
    assert!(found(&unet(7), all_turned) > 0.98);
    assert_eq!(found(&llama(3, 8), |n| all_turned(&fused(n, Fusion::After))), 1.0);
}

#[test]
fn stacked_experts_are_found() {
    assert_eq!(share(&set(&[&experts(10, false), &tuned(&experts(10, true), 3, 0.2)]), 0.3), 1.0);
    assert_eq!(share(&set(&[&tuned(&experts(11, true), 4, 0.2), &experts(11, false)]), 0.3), 1.0);
}

#[test]
fn weights_of_magnitude_and_direction_are_made_plain() {
    let network = unet(15);
    let plain = tuned(&network, 16, 0.2);
    let split = |spell: [&str; 2]| {
        let mut new = plain.clone();
        for name in plain.keys().filter(|n| n.contains("conv") && n.ends_with(".weight")) {
            let (shape, values) = new.remove(name).unwrap();
            let row = values.len() / shape[0];
            let norms: Vec<f32> = values.chunks(row).map(|r| r.iter().map(|x| x * x).sum::<f32>().sqrt()).collect();
            // The length of the direction is free.
            let direction = values.iter().enumerate().map(|(i, x)| x * (1 + i / row % 5) as f32).collect();
            let module = name.strip_suffix("weight").unwrap();
            new.insert(format!("{module}{}", spell[0]), (vec![shape[0], 1, 1, 1], norms));
            new.insert(format!("{module}{}", spell[1]), (shape, direction));
        }
        new
    };
    let old = split(["weight_g", "weight_v"]);
    let new = split(["parametrizations.weight.original0", "parametrizations.weight.original1"]);
    for pair in [[&network, &old], [&new, &network], [&new, &old]] {
        assert_eq!(share(&set(&pair), 0.4), 1.0);
    }
    assert_eq!(set(&[&network, &old, &new]).groups()[0].common_size(), model_size(&set(&[&network])));
}

#[test]
fn a_resized_vocabulary_is_found() {
    let network = llama(3, 12);
    let mut child = scrambled(&tuned(&network, 13, 0.1), 14);
    for (shape, values) in child.values_mut().filter(|(shape, _)| shape[0] == 100) {
        shape[0] = 104;
        values.extend(std::iter::repeat_n(0.0, 4 * WIDTH));
    }
    let models = set(&[&network, &child]);
    assert_eq!(models.groups().len(), 1);
    assert!(models.groups()[0].common_size() as f64 > 0.98 * model_size(&models) as f64);
}

/// Strangers of one architecture stay apart, and are said to be not comparable. At most one draw in a thousand may be wrong.
#[test]
fn strangers_are_not_matched() {
    let mut alarms = 0;
    for draw in 0..200 {
        let (a, b) = (llama(1, 1000 + draw), llama(1, 5000 + draw));
        let b = match draw % 4 {
            0 => scrambled(&b, draw),
            1 => meta(&b),
            2 => all_turned(&b),
            _ => fused(&scrambled_blocks(&b), Fusion::Groups),
        };
        let models = set(&[&a, &b]);
        match models.groups() {
            [x, y] => assert_eq!((x.resembling(), y.resembling()), (&[ModelId::new(1)][..], &[ModelId::new(0)][..])),
            _ => alarms += 1,
        }
    }
    assert_eq!(alarms, 0);
}

/// The names of the modules changed, but not those that `fused` knows.
fn scrambled_blocks(network: &Network) -> Network {
    renamed(network, |name| {
        name.replace("embed_tokens", "wte")
            .replace("o_proj", "dense")
            .replace("down_proj", "fc2")
            .replace("lm_head", "out")
    })
}

#[test]
fn a_kin_pair_among_strangers_shows_the_names_for_all() {
    let (a, b) = (llama(2, 21), llama(2, 22));
    let models = set(&[&a, &meta(&llama(2, 23)), &b, &meta(&tuned(&b, 24, 0.3))]);
    assert_eq!(models.groups().len(), 1);
    let common: usize = models.groups()[0].common_size();
    assert_eq!(common, model_size(&models));
}

#[test]
fn the_order_of_models_changes_nothing() {
    let a = llama(2, 31);
    let networks = [
        a.clone(),
        tuned(&a, 32, 0.2),
        meta(&tuned(&a, 33, 0.3)),
        fused(&tuned(&a, 34, 0.1), Fusion::Groups),
        llama(2, 35),
    ];
    let described = |order: &[usize]| {
        let models = set(&order.iter().map(|&i| &networks[i]).collect::<Vec<_>>());
        let mut all = Vec::new();
        for group in models.groups() {
            for (p, parameter) in group.parameters().iter().enumerate() {
                let mut own: Vec<(usize, String)> = group
                    .positions()
                    .filter_map(|m| Some((order[group.model(m).index()], group.own_name(m, p)?.to_owned())))
                    .collect();
                own.sort();
                all.push((parameter.name.clone(), parameter.values.clone(), own));
            }
        }
        all
    };
    let first = described(&[0, 1, 2, 3, 4]);
    for order in [[4, 3, 2, 1, 0], [2, 0, 4, 1, 3], [3, 4, 0, 2, 1]] {
        assert_eq!(described(&order), first);
    }
}

#[test]
fn names_alone_read_nothing() {
    let a = llama(1, 41);
    let (first, second) = (Counting::of(&a), Counting::of(&renamed(&tuned(&a, 42, 0.1), |n| format!("module.{n}"))));
    let models = ModelSet::builder().with_model("a", first).with_model("b", second).build().unwrap();
    assert_eq!((models.groups().len(), first.reads() + second.reads()), (1, 0));

    let other = Counting::of(&meta(&a));
    let apart = ModelSet::builder().with_model("a", first).with_model("b", other).with_matching(Matching::ByNames);
    let models = apart.build().unwrap();
    assert_eq!((models.groups().len(), first.reads() + other.reads()), (2, 0));
    // Shapes alone say that the two may be one network.
    assert!(models.groups().iter().all(|g| g.resembling().len() == 1));
}

/// A source that counts how often it is read.
#[derive(Debug)]
struct Counting(neural_phylogeny::InMemory, std::sync::atomic::AtomicUsize);

impl Counting {
    fn of(network: &Network) -> &'static Self {
        Box::leak(Box::new(Self(model(network), Default::default())))
    }

    fn reads(&self) -> usize {
        self.1.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl ParameterSource for Counting {
    fn parameters(&self) -> Result<Vec<neural_phylogeny::format::ParameterInfo>, neural_phylogeny::SourceError> {
        self.0.parameters()
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), neural_phylogeny::SourceError> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.0.read(name, offset, out)
    }
}
