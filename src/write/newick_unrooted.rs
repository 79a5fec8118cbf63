use super::newick::quote;
use crate::detect::{TreeNode, UnrootedTree};
use crate::error::{Error, unwritten};
use crate::model_set::{ModelId, ModelSet};
use std::fmt::Write as _;
use std::io::Write;

/// Writes an undirected tree as one line of Newick with branch lengths.
///
/// - Models are named and quoted as by [`write_newick`](crate::write::write_newick). Unobserved nodes have no name.
/// - Newick has no undirected trees. By custom, three branches at the top mean that the top is no root. Writing begins at the
///   unobserved node made last, and takes its branches in the order in which they were made. A pair is written as one node
///   below the other.
/// - Lengths are written as they are, below 0 too.
/// - No models give no line.
///
/// `W` is taken by value; pass `&mut writer` to keep it.
///
/// # Errors
///
/// [`Error::InvalidPhylogeny`] when the tree is not of these models, [`Error::Write`] when the writer fails.
///
/// ```
/// use neural_phylogeny::ModelSet;
/// use neural_phylogeny::detect::NeighborJoining;
/// use neural_phylogeny::geometry::{Geometry, GeometrySettings};
/// use neural_phylogeny::write::write_newick_unrooted;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use neural_phylogeny::InMemory;
/// # use neural_phylogeny::rand::{Rng, SeedableRng};
/// # let mut rng = neural_phylogeny::rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// # let mut trained = |from: &[f32], by: f32| -> Vec<f32> { from.iter().map(|w| w + by * rng.gen_range(-1.0..1.0)).collect() };
/// # let base = trained(&[0.0; 4096], 1.0);
/// # let model = |weights| InMemory::new().with_parameter("fc.weight", [64, 64], weights);
/// # let children = [trained(&base, 0.1), trained(&base, 0.1), trained(&base, 0.1)];
/// let [a, b, c] = children.map(model);
/// let models = ModelSet::from_models([("base", model(base)?), ("a", a?), ("b", b?), ("c", c?)])?;
/// let geometry = Geometry::compute(&models, &GeometrySettings::new())?;
/// let tree = NeighborJoining::tree(&geometry, geometry.models())?;
///
/// let mut text = Vec::new();
/// write_newick_unrooted(&tree, &models, &mut text)?;
/// assert!(String::from_utf8(text)?.contains("base:"));
/// # Ok(())
/// # }
/// ```
pub fn write_newick_unrooted<W: Write>(tree: &UnrootedTree, models: &ModelSet, mut writer: W) -> Result<(), Error> {
    let names: Vec<&str> = models.names().collect();
    if let Some(text) = line(tree, &names)? {
        writeln!(writer, "{text};").map_err(unwritten)?;
    }
    writer.flush().map_err(unwritten)?;
    Ok(())
}

/// Writes the tree without the semicolon. It is not recursive, because a tree may be as deep as the set is large.
fn line(tree: &UnrootedTree, names: &[&str]) -> Result<Option<String>, Error> {
    // The node made last has three branches, unless there are fewer than three models.
    let Some(top) = tree.nodes().len().checked_sub(1) else { return Ok(None) };
    let mut near = vec![Vec::new(); tree.nodes().len()];
    for branch in tree.branches() {
        near[branch.a].push((branch.b, branch.length));
        near[branch.b].push((branch.a, branch.length));
    }
    let mut text = String::new();
    // Each entry is a node, the one it was reached from, the length between them, and how many of its branches were visited.
    let mut path = vec![(top, None, None, 0)];
    let mut opened = vec![false; tree.nodes().len()];
    while let Some((node, from, length, looked)) = path.last_mut() {
        let node = *node;
        if let Some(&(next, branch)) = near[node].get(*looked) {
            *looked += 1;
            // The branch that leads back up was written already.
            if Some(next) != *from {
                text.push(if opened[node] { ',' } else { '(' });
                opened[node] = true;
                path.push((next, Some(node), Some(branch), 0));
            }
            continue;
        }
        if opened[node] {
            text.push(')');
        }
        if let TreeNode::Model(model) = tree.nodes()[node] {
            quote(name(names, model)?, &mut text);
        }
        if let Some(length) = *length {
            let _ = write!(text, ":{length}");
        }
        path.pop();
    }
    Ok(Some(text))
}

fn name<'n>(names: &[&'n str], model: ModelId) -> Result<&'n str, Error> {
    names.get(model.index()).copied().ok_or_else(|| {
        let reason = format!("the tree names model {} beyond the {} there are", model.index(), names.len());
        Error::InvalidPhylogeny { reason }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::NeighborJoining;
    use crate::geometry::{Geometry, GeometrySettings};
    use crate::source::InMemory;

    /// Corners: the first stands at the origin, each other one some way along a direction of its own.
    fn corners(names: &[&str]) -> ModelSet {
        let corner = |i: usize| (0..4).map(|j| if i > 0 && i == j { i as f32 } else { 0.0 }).collect();
        let model = |i: usize| InMemory::new().with_parameter("w", [2, 2], corner(i)).unwrap();
        let builder = names.iter().enumerate().fold(ModelSet::builder(), |b, (i, name)| b.with_model(*name, model(i)));
        builder.build().unwrap()
    }

    fn tree(models: &ModelSet) -> UnrootedTree {
        let geometry = Geometry::compute(models, &GeometrySettings::new()).unwrap();
        NeighborJoining::tree(&geometry, geometry.models()).unwrap()
    }

    #[test]
    fn three_models_hang_from_an_unnamed_node_with_their_lengths() {
        let models = corners(&["origin", "it's", "b_1"]);
        let line = line(&tree(&models), &models.names().collect::<Vec<_>>()).unwrap().unwrap();
        let mut parts: Vec<&str> = line.trim_matches(['(', ')']).split(',').collect();
        parts.sort_unstable();
        assert_eq!(parts, ["'b_1':4", "'it''s':1", "origin:0"]);
    }

    #[test]
    fn a_pair_is_one_node_below_the_other() {
        let models = corners(&["a", "b"]);
        let mut text = Vec::new();
        write_newick_unrooted(&tree(&models), &models, &mut text).unwrap();
        assert!(["(a:1)b;\n", "(b:1)a;\n"].contains(&String::from_utf8(text).unwrap().as_str()));
    }

    #[test]
    fn a_tree_of_other_models_is_refused() {
        let tree = tree(&corners(&["a", "b", "c"]));
        let result = write_newick_unrooted(&tree, &corners(&["a", "b"]), Vec::new());
        assert!(matches!(result, Err(Error::InvalidPhylogeny { .. })));
    }
}
