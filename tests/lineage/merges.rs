//! Merges of every kind, made of the small real transformers. tests/data/train/merge_kinds.py makes them of any others.

use neural_phylogeny::format::{Dtype, ParameterInfo};
use neural_phylogeny::{
    Config, InMemory, ModelSet, ParameterSource, Phylogeny, Relation, SourceError, detect_phylogeny,
};
use std::collections::BTreeMap;

/// The tensors of one model: name, shape and values.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// A model whose values are stored in some dtype.
#[derive(Debug)]
struct Stored(InMemory, Dtype);

impl ParameterSource for Stored {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        let all = self.0.parameters()?;
        Ok(all.into_iter().map(|p| ParameterInfo::new(p.name.clone(), p.shape.clone(), self.1)).collect())
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        self.0.read(name, offset, out)
    }
}

/// The models of one lineage in F32, by name.
fn lineage() -> Vec<(String, Tensors)> {
    let folder = format!("{}/tests/data/zoo/llama", env!("CARGO_MANIFEST_DIR"));
    let set = ModelSet::discover(folder).unwrap();
    let wanted = ["l0", "l0_c0", "l0_c0_g0", "l0_c1", "l0_c2", "l0_c3", "l0_lora"];
    wanted.map(|name| (name.to_owned(), tensors(set.source(set.id(name).unwrap())))).to_vec()
}

fn tensors(source: &dyn ParameterSource) -> Tensors {
    let read = |p: ParameterInfo| {
        let mut values = vec![0.0; p.size()];
        source.read(&p.name, 0, &mut values).unwrap();
        (p.name.clone(), (p.shape.clone(), values))
    };
    source.parameters().unwrap().into_iter().map(read).collect()
}

fn rounded(x: f32) -> f32 {
    f32::from_bits(x.to_bits().wrapping_add(0x7fff + ((x.to_bits() >> 16) & 1)) & 0xffff_0000)
}

/// The lineage with one more model, in a dtype.
fn detected(added: &Tensors, dtype: Dtype) -> Phylogeny {
    let in_memory = |tensors: &Tensors, dtype: Dtype| {
        let store = |x: &f32| if dtype == Dtype::BF16 { rounded(*x) } else { *x };
        let add = |model: InMemory, (name, (shape, values)): (&String, &(Vec<usize>, Vec<f32>))| {
            model.with_parameter(name.as_str(), shape.as_slice(), values.iter().map(store).collect()).unwrap()
        };
        Stored(tensors.iter().fold(InMemory::new(), add), dtype)
    };
    let mut models = ModelSet::builder();
    for (name, tensors) in &lineage() {
        models = models.with_model(name.as_str(), in_memory(tensors, Dtype::F32));
    }
    let set = models.with_model("x", in_memory(added, dtype)).build().unwrap();
    detect_phylogeny(&set, Config::default()).unwrap()
}

fn parents(phylogeny: &Phylogeny, name: &str) -> Vec<String> {
    let edges = phylogeny.parents(phylogeny.id(name).unwrap());
    edges.iter().map(|e| phylogeny.name(e.parent).to_owned()).collect()
}

/// Checks that the added model has these parents, and that all others have theirs.
#[track_caller]
fn merged(kind: &str, added: &Tensors, dtypes: &[Dtype], expected: &[&str]) -> Phylogeny {
    let mut found = None;
    for &dtype in dtypes {
        let phylogeny = detected(added, dtype);
        assert_eq!(parents(&phylogeny, "x"), expected, "{kind} in {dtype}");
        for (child, parent) in
            [("l0_c0", "l0"), ("l0_c0_g0", "l0_c0"), ("l0_c1", "l0"), ("l0_c2", "l0"), ("l0_c3", "l0")]
        {
            assert_eq!(parents(&phylogeny, child), [parent], "{child} beside {kind} in {dtype}");
        }
        found.get_or_insert(phylogeny);
    }
    found.unwrap()
}

const BOTH: [Dtype; 2] = [Dtype::F32, Dtype::BF16];

/// Each tensor from those of some models by a function of its name and their values at one place.
fn mixed(models: &[&Tensors], mix: impl Fn(&str, &[f64]) -> f64) -> Tensors {
    let tensor = |(name, (shape, first)): (&String, &(Vec<usize>, Vec<f32>))| {
        let at = |i: usize| -> Vec<f64> { models.iter().map(|m| f64::from(m[name].1[i])).collect() };
        let values = (0..first.len()).map(|i| mix(name, &at(i)) as f32).collect();
        (name.clone(), (shape.clone(), values))
    };
    models[0].iter().map(tensor).collect()
}

fn of<'m>(models: &'m [(String, Tensors)], name: &str) -> &'m Tensors {
    &models.iter().find(|(n, _)| n == name).unwrap().1
}

/// A share that goes up with the layer in attention and down in the MLP.
fn gradient(name: &str) -> f64 {
    let layer = if name.contains("layers.1.") { 1.0 } else { 0.0 };
    match (name.contains("attn"), name.contains("mlp")) {
        (true, _) => 0.1 + 0.7 * layer,
        (_, true) => 0.9 - 0.6 * layer,
        _ => 0.5,
    }
}

#[test]
fn gradients_and_filters_are_merges_by_tensor() {
    let models = lineage();
    let (a, b, c) = (of(&models, "l0_c0"), of(&models, "l0_c1"), of(&models, "l0_c2"));
    let straight = |name: &str, x: &[f64]| (1.0 - gradient(name)) * x[0] + gradient(name) * x[1];
    let phylogeny = merged("a gradient", &mixed(&[a, b], straight), &BOTH, &["l0_c0", "l0_c1"]);
    let [b_id, x] = ["l0_c1", "x"].map(|name| phylogeny.id(name).unwrap());
    let weights = phylogeny.movements(b_id, x).iter().filter_map(|m| Some((m.weight?, gradient(&m.parameter))));
    let weights: Vec<(f64, f64)> = weights.collect();
    assert!(weights.len() > 8 && weights.iter().all(|(found, given)| (found - given).abs() < 1e-4), "{weights:?}");
    let filters =
        |name: &str, x: &[f64]| if name.contains("mlp") { 0.3 * x[0] + 0.7 * x[1] } else { 0.75 * x[0] + 0.25 * x[1] };
    merged("filters", &mixed(&[b, c], filters), &BOTH, &["l0_c1", "l0_c2"]);
    let three = |name: &str, x: &[f64]| {
        let share = gradient(name);
        (0.6 - 0.4 * share) * x[0] + 0.3 * x[1] + (0.1 + 0.4 * share) * x[2]
    };
    merged("three gradients", &mixed(&[a, b, c], three), &BOTH, &["l0_c0", "l0_c1", "l0_c2"]);
    let with_base = mixed(&[of(&models, "l0"), b], straight);
    merged("a gradient from the base", &with_base, &BOTH, &["l0", "l0_c1"]);
}

#[test]
fn the_weights_of_a_gradient_are_shown() {
    let models = lineage();
    let straight = |name: &str, x: &[f64]| (1.0 - gradient(name)) * x[0] + gradient(name) * x[1];
    let phylogeny = detected(&mixed(&[of(&models, "l0_c0"), of(&models, "l0_c1")], straight), Dtype::F32);
    let mut text = Vec::new();
    neural_phylogeny::write::write_explanation(&phylogeny, phylogeny.id("x").unwrap(), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("model.layers.0.mlp         0.10   0.90\n"), "{text}");
    assert!(text.contains("model.layers.1.self_attn   0.20   0.80\n"), "{text}");
    let mut table = Vec::new();
    neural_phylogeny::write::write_table(&phylogeny, &mut table).unwrap();
    assert!(String::from_utf8(table).unwrap().contains("× l0_c0 (0.10 to 0.90 by tensor)"));
}

#[test]
fn tensors_of_two_models_in_turn_are_a_merge() {
    let models = lineage();
    let turns = |name: &str, x: &[f64]| if name.contains("attn") { x[1] } else { x[0] };
    let swapped = mixed(&[of(&models, "l0_c1"), of(&models, "l0_c2")], turns);
    merged("parts in turn", &swapped, &BOTH, &["l0_c1", "l0_c2"]);
}

/// Draws that look random, one for each value.
fn draws(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f64 / (1u64 << 24) as f64
    }
}

#[test]
fn masked_increments_are_merges_in_any_dtype() {
    let models = lineage();
    let (base, a, b) = (of(&models, "l0"), of(&models, "l0_c1"), of(&models, "l0_c2"));
    let dare = |density: f64, weights: [f64; 2]| {
        let draw = std::cell::RefCell::new(draws(5));
        mixed(&[base, a, b], |_, x| {
            let kept =
                |i: usize| if (draw.borrow_mut())() < density { weights[i] / density * (x[i + 1] - x[0]) } else { 0.0 };
            x[0] + kept(0) + kept(1)
        })
    };
    merged("dare", &dare(0.5, [0.5, 0.5]), &BOTH, &["l0_c1", "l0_c2"]);
    merged("dare of low density", &dare(0.3, [0.6, 0.4]), &BOTH, &["l0_c1", "l0_c2"]);
    // TIES with the larger half of all changes, by one threshold for each model.
    let ties = mixed(&[base, a, b], |name, x| {
        let threshold = |m: &Tensors| {
            let (mine, theirs) = (&m[name].1, &base[name].1);
            mine.iter().zip(theirs).map(|(m, b)| f64::from((m - b).abs())).sum::<f64>() / mine.len() as f64
        };
        let changes =
            [(a, x[1] - x[0]), (b, x[2] - x[0])].map(|(m, d)| if d.abs() >= 0.8 * threshold(m) { d } else { 0.0 });
        let sign = (changes[0] + changes[1]).signum();
        let agreeing: Vec<f64> = changes.into_iter().filter(|d| d.signum() == sign && *d != 0.0).collect();
        x[0] + agreeing.iter().sum::<f64>() / agreeing.len().max(1) as f64
    });
    let phylogeny = merged("ties", &ties, &BOTH, &["l0_c1", "l0_c2"]);
    assert!(phylogeny.parents(phylogeny.id("x").unwrap()).iter().all(|e| e.relation == Relation::Merge));
}

/// Layers of models one above the other: of each, which model and which of its layers. The rest is the first model's.
fn stacked(slices: &[(&Tensors, usize)]) -> Tensors {
    let mut all: Tensors = slices[0].0.clone().into_iter().filter(|(name, _)| !name.contains(".layers.")).collect();
    for (at, (model, layer)) in slices.iter().enumerate() {
        let prefix = format!(".layers.{layer}.");
        for (name, tensor) in model.iter().filter(|(name, _)| name.contains(&prefix)) {
            all.insert(name.replace(&prefix, &format!(".layers.{at}.")), tensor.clone());
        }
    }
    all
}

#[test]
fn layers_one_above_the_other_have_their_models_as_parents() {
    let models = lineage();
    let (a, b) = (of(&models, "l0_c1"), of(&models, "l0_c2"));
    let phylogeny = merged("a stack", &stacked(&[(a, 0), (a, 1), (b, 0), (b, 1)]), &BOTH, &["l0_c1", "l0_c2"]);
    let [b_id, x] = ["l0_c2", "x"].map(|name| phylogeny.id(name).unwrap());
    let from = |name: &str| {
        let movement = phylogeny.movements(b_id, x).iter().find(|m| m.parameter == name).unwrap();
        movement.source.clone()
    };
    let name = |layer: usize| format!("model.layers.{layer}.mlp.up_proj.weight");
    assert_eq!(from(&name(3)), Some(name(1)));
    let phylogeny = merged("repeated layers", &stacked(&[(a, 0), (a, 1), (a, 1)]), &BOTH, &["l0_c1"]);
    assert_eq!(phylogeny.parents(phylogeny.id("x").unwrap())[0].relation, Relation::Restacked);
}

#[test]
fn experts_of_dense_models_have_them_as_parents() {
    let models = lineage();
    let base = of(&models, "l0");
    let mut experts: Tensors = base.clone().into_iter().filter(|(name, _)| !name.contains(".mlp.")).collect();
    for (e, name) in ["l0_c1", "l0_c2"].into_iter().enumerate() {
        for (name, tensor) in of(&models, name).iter().filter(|(name, _)| name.contains(".mlp.")) {
            experts.insert(name.replace(".mlp.", &format!(".experts.{e}.")), tensor.clone());
        }
    }
    let mut draw = draws(9);
    experts.insert("model.layers.0.gate.weight".into(), (vec![2, 64], (0..128).map(|_| draw() as f32).collect()));
    merged("experts", &experts, &[Dtype::F32], &["l0", "l0_c1", "l0_c2"]);
}
