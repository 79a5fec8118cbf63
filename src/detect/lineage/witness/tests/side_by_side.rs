//! Witnesses that see how the lines of two models differ.

use super::*;

#[test]
fn the_later_model_contains_the_increment() {
    let root = Model::new(1);
    let child = root.trained_unevenly(2, 0.5);
    let says = |w: &Weights| precedes(&imprint::Imprint, w, &[root.clone(), child.clone()], 0, 1);
    let weights = Weights::default();
    let forward = says(&weights);
    assert!(forward > 0.5, "{forward}");
    assert_eq!(precedes(&imprint::Imprint, &weights, &[root.clone(), child.clone()], 1, 0), -forward);
    assert!((precedes(&imprint::Imprint, &weights, &[child.clone(), root.clone()], 1, 0) - forward).abs() < 1e-12);
    // What BF16 may have rounded away shows nothing.
    let rounded = root.trained_unevenly(2, 1e-3).with_dtype(Dtype::BF16);
    assert_eq!(precedes(&imprint::Imprint, &weights, &[root.clone(), rounded], 0, 1), 0.0);
    noticed("witnesses.imprint", &["slopes", "independence", "unseen", "doubt", "spread", "wide"], |w| {
        says(w).to_string()
    });
    noticed("witnesses.imprint", &["cap"], |w| {
        let far = root.trained_unevenly(2, 4.0);
        // One lowers the cap to what is said, and one raises it above.
        let mut strong = *w;
        strong.witnesses.imprint.slopes *= 10.0;
        precedes(&imprint::Imprint, &strong, &[root.clone(), far], 0, 1).to_string()
    });
    noticed("witnesses.imprint", &["parent"], |w| {
        let models = [root.clone(), child.clone(), child.trained_unevenly(3, 0.5)];
        format!("{:?}", inherits(&imprint::Imprint, w, &models, 1, 2))
    });
}

/// A model whose tails grew in every line: few values moved, and they moved far.
fn spiked(from: &Model, seed: u64) -> Model {
    from.spiked(seed, 1.5)
}

#[test]
fn tails_that_grew_tell_the_later_model_as_often_as_tails_grow() {
    let root = Model::new(1);
    let child = spiked(&root, 2);
    let says = |w: &Weights| precedes(&kurtosis::Kurtosis, w, &[root.clone(), child.clone()], 0, 1);
    let weights = Weights::default();
    let forward = says(&weights);
    assert!(forward > 0.5 && forward < (0.8f64 / 0.2).ln(), "{forward}");
    let reverse = precedes(&kurtosis::Kurtosis, &weights, &[root.clone(), child.clone()], 1, 0);
    assert!((reverse + forward).abs() < 1e-9, "{forward} {reverse}");
    noticed("witnesses.kurtosis", &["grown", "unseen", "cap", "longer"], |w| {
        // A strong sign meets the cap, and a weak one does not.
        let weak = precedes(&kurtosis::Kurtosis, w, &[root.clone(), root.trained(3, 0..0, 1.0)], 0, 1);
        format!("{} {weak}", says(w))
    });
    noticed("witnesses.kurtosis", &["parent"], |w| {
        let models = [root.clone(), child.clone(), spiked(&child, 3)];
        format!("{:?}", inherits(&kurtosis::Kurtosis, w, &models, 1, 2))
    });
}

#[test]
fn where_tails_shrink_throughout_a_family_its_other_edges_turn_the_sign() {
    let root = spiked(&Model::new(1), 9);
    // Noise all over shortens the tails of every child.
    let models: Vec<Model> =
        std::iter::once(root.clone()).chain((2..8).map(|seed| root.trained_unevenly(seed, 1.0))).collect();
    let geometry = of_models(&models);
    let (ids, weights) = (ids(&geometry), Weights::default());
    let lineage = Lineage::of(&geometry, &ids, &weights).unwrap();
    assert!(Hypothesis::of(&lineage, m(0)).drift() < -0.9);
    // One pair alone leaves it open.
    let two = of_models(&models[..2]);
    let ids = [0, 1].map(ModelId::new);
    let lineage = Lineage::of(&two, &ids, &weights).unwrap();
    assert!(Hypothesis::of(&lineage, m(0)).drift().abs() < 0.5);
    assert!(Hypothesis::of(&lineage, m(1)).drift() > 0.9);
}
