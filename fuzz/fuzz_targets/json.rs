#![no_main]

use libfuzzer_sys::fuzz_target;
use neural_phylogeny::ModelId;
use neural_phylogeny::evaluate::{Truth, evaluate};
use neural_phylogeny::write::{read_json, write_dot, write_explanation, write_json, write_newick, write_table};

fuzz_target!(|data: &[u8]| {
    let truth = Truth::read(data);
    let Ok(phylogeny) = read_json(data) else { return };
    let mut written = Vec::new();
    write_json(&phylogeny, &mut written).expect("a result that was read can be written");
    let again = read_json(&written[..]).expect("what was written can be read");
    assert!(again == phylogeny, "a result that is another one when it is read again");
    let mut text = Vec::new();
    let _ = write_table(&phylogeny, &mut text);
    let _ = write_dot(&phylogeny, &mut text);
    let _ = write_newick(&phylogeny, &mut text);
    if !phylogeny.is_empty() {
        let _ = write_explanation(&phylogeny, ModelId::new(0), &mut text);
    }
    if let Ok(truth) = truth {
        let _ = evaluate(&phylogeny, &truth);
    }
});
