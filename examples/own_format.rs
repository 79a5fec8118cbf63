//! A file format of one's own: implement `Format`, check it, and let `Discovery` find it beside all others.
//!
//! The format here, `.grid`, holds one matrix for each layer: a line of text says what is in the file, values follow.
//!
//! ```text
//! grid fc1:64x32 fc2:10x64
//! <64 · 32 + 10 · 64 numbers of type f32, little-endian>
//! ```

use neural_phylogeny::bytes::ReadAt;
use neural_phylogeny::discover::Discovery;
use neural_phylogeny::format::{Dtype, Format, Tensors};
use neural_phylogeny::testing::check_format;
use neural_phylogeny::{ParameterSource, SourceError};
use std::error::Error;
use std::sync::Arc;

/// No line is longer; a file that has none within these bytes is no grid.
const LINE_LIMIT: u64 = 1 << 16;

#[derive(Debug)]
struct Grid;

impl Format for Grid {
    fn name(&self) -> &str {
        "grid"
    }

    fn extensions(&self) -> &[&str] {
        &["grid"]
    }

    fn open(&self, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError> {
        let path = bytes.path().display().to_string();
        let refused = |what: &str| SourceError::Other { message: format!("{path} is no grid: {what}"), source: None };

        // Never more than the file has: a length is not to be believed before memory is taken for it.
        let mut beginning = vec![0; bytes.length().min(LINE_LIMIT) as usize];
        bytes.read_at(&mut beginning, 0)?;
        let end = beginning.iter().position(|&b| b == b'\n').ok_or_else(|| refused("its first line has no end"))?;
        let line = std::str::from_utf8(&beginning[..end]).map_err(|_| refused("its first line is no text"))?;
        let layers = line.strip_prefix("grid").ok_or_else(|| refused("its first line does not begin with `grid`"))?;

        let mut position = end as u64 + 1;
        let mut tensors = Tensors::new(bytes);
        for layer in layers.split_whitespace() {
            let described = || {
                let (name, shape) = layer.split_once(':')?;
                let (rows, columns) = shape.split_once('x')?;
                Some((name, [rows.parse().ok()?, columns.parse::<usize>().ok()?]))
            };
            let (name, shape) = described().ok_or_else(|| refused("expected layers such as `fc1:64x32`"))?;
            // Checks that the name is new, that the shape can be counted, and that its values lie within the file.
            tensors = tensors.with_tensor(name, shape, Dtype::F32, position)?;
            position += (shape[0] * shape[1] * Dtype::F32.size()) as u64;
        }
        Ok(tensors)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut file = b"grid fc1:3x2 fc2:1x3\n".to_vec();
    file.extend((0..9).flat_map(|i| (i as f32 / 8.0).to_le_bytes()));
    check_format(&Grid, "model.grid", &file)?;

    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("mine.grid"), &file)?;
    let header = r#"{"fc1":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let usual = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat();
    std::fs::write(folder.path().join("usual.safetensors"), usual)?;

    let found = Discovery::new().with_format(Grid).search([folder.path()])?;
    for model in &found.models {
        println!("{}, a {}: {} tensors", model.name, model.layout, model.source.parameters()?.len());
    }
    assert_eq!(found.models.len(), 2);
    Ok(())
}
