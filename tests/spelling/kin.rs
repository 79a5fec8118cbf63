//! What a detection finds in models of several vocabularies.

use crate::networks::*;
use neural_phylogeny::phylogeny::Remark;
use neural_phylogeny::{Config, ModelSet, Phylogeny, detect_phylogeny};

fn detected(models: &[(&str, Network)]) -> Phylogeny {
    let models = ModelSet::from_models(models.iter().map(|(name, network)| (*name, model(network)))).unwrap();
    detect_phylogeny(&models, Config::default()).unwrap()
}

fn parents<'p>(phylogeny: &'p Phylogeny, name: &str) -> Vec<&'p str> {
    phylogeny.parents(phylogeny.id(name).unwrap()).iter().map(|e| phylogeny.name(e.parent)).collect()
}

/// The distances of a lineage in many forms are those of the lineage in one.
#[test]
fn a_lineage_in_many_forms_is_one_lineage() {
    let base = llama(2, 51);
    let children: Vec<Network> = (0..4).map(|i| tuned(&base, 60 + i, 0.1 + 0.05 * i as f32)).collect();
    let forms: [fn(&Network) -> Network; 4] = [meta, |n| fused(n, Fusion::Groups), all_turned, |n| scrambled(n, 7)];
    let plain: Vec<(String, Network)> =
        children.iter().enumerate().map(|(i, n)| (format!("c{i}"), n.clone())).collect();
    let other: Vec<(String, Network)> =
        plain.iter().zip(forms).map(|((name, network), form)| (name.clone(), form(network))).collect();
    let result = |children: &[(String, Network)]| {
        let mut models = vec![("base", base.clone())];
        models.extend(children.iter().map(|(name, network)| (name.as_str(), network.clone())));
        detected(&models)
    };
    let (plain, other) = (result(&plain), result(&other));
    assert_eq!(other.families().len(), 1);
    assert_eq!(plain.edges().len(), other.edges().len());
    for child in ["c0", "c1", "c2", "c3"] {
        assert_eq!(parents(&other, child), ["base"], "{child}");
        let distance = |p: &Phylogeny| p.parents(p.id(child).unwrap())[0].distance.unwrap();
        assert!((distance(&plain) / distance(&other) - 1.0).abs() < 1e-6, "{child}");
    }
}

#[test]
fn strangers_under_other_names_are_said_to_be_not_comparable() {
    let said = |p: &Phylogeny| p.remarks().iter().any(|r| matches!(r, Remark::OtherNames { count: 2 }));
    let base = llama(1, 71);
    let apart = detected(&[("a", base.clone()), ("child", tuned(&base, 72, 0.1)), ("b", meta(&llama(1, 73)))]);
    assert_eq!(parents(&apart, "child").len() + parents(&apart, "a").len(), 1);
    assert!(parents(&apart, "b").is_empty() && said(&apart), "{:?}", apart.remarks());
    // One network of another shape is no such case.
    let unlike = detected(&[("a", base.clone()), ("child", tuned(&base, 72, 0.1)), ("b", unet(74))]);
    assert!(!said(&unlike), "{:?}", unlike.remarks());
}
