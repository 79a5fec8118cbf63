//! A hub with models that are kin.

use super::server::Server;

/// A hub with eight models in two stars, and how many bytes they have.
pub(crate) fn stars(rows: usize) -> (Server, u64) {
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let (size, header) = (100 * 100 + rows * 1000, |size: usize| {
        format!(
            r#"{{"head":{{"dtype":"F32","shape":[100,100],"data_offsets":[0,40000]}},"layer":{{"dtype":"F32","shape":[{rows},1000],"data_offsets":[40000,{}]}}}}"#,
            4 * size
        )
    });
    let mut files = Vec::new();
    let mut listed = Vec::new();
    for root in ["a", "b"] {
        let weights: Vec<f32> = (0..size).map(|_| random()).collect();
        for child in 0..4 {
            let moved = if child == 0 { 0.0 } else { 0.2 };
            let values = weights.iter().map(|w| w + moved * random()).flat_map(f32::to_le_bytes);
            let header = header(size);
            let head = (header.len() as u64).to_le_bytes().into_iter().chain(header.into_bytes());
            files.push((format!("/acme/stars/resolve/aa/{root}{child}.safetensors"), head.chain(values).collect()));
            listed.push(format!(r#"{{"rfilename":"{root}{child}.safetensors"}}"#));
        }
    }
    let stored = files.iter().map(|(_, bytes): &(String, Vec<u8>)| bytes.len() as u64).sum();
    let list = format!(r#"{{"sha":"aa","siblings":[{}]}}"#, listed.join(","));
    files.push(("/api/models/acme/stars/revision/main".to_owned(), list.into_bytes()));
    (Server::start(files), stored)
}
