//! Where the smallest norm points when the families are known.

use crate::Failure;
use crate::sets::Set;
use std::io::Write;

/// One line per true family, over all matrices.
pub(crate) fn table(out: &mut impl Write, sets: &[Set]) -> Result<(), Failure> {
    writeln!(out, "## The smallest norm, given the true families\n")?;
    writeln!(out, "Children right: what a clustering that finds just these families gives.\n")?;
    writeln!(
        out,
        "| Set | Root | Models | Smaller than the root | Smallest | Its norm / the root's | Children right |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for set in sets {
        let (mut right, mut children) = (0, 0);
        for family in set.families() {
            let norm = |m| set.whole.norm(m);
            let Some(&root) = family.iter().find(|&&m| set.parent(m).is_none()) else { continue };
            let smallest = family.iter().copied().fold(root, |s, m| if norm(m) < norm(s) { m } else { s });
            let below = family.iter().filter(|&&m| norm(m) < norm(root)).count();
            // All others become children of the smallest.
            let found = family.iter().filter(|&&m| m != smallest && set.parent(m) == Some(smallest)).count();
            let of = family.len() - 1;
            (right, children) = (right + found, children + of);
            writeln!(
                out,
                "| {} | {} | {} | {below} | {} | {:.4} | {found}/{of} |",
                set.name,
                set.names[root.index()],
                family.len(),
                set.names[smallest.index()],
                norm(smallest) / norm(root),
            )?;
        }
        let share = 100.0 * right as f64 / children.max(1) as f64;
        writeln!(
            out,
            "| **{}** | all | {} | | | | **{right}/{children} = {share:.2} %** |",
            set.name,
            set.names.len()
        )?;
    }
    writeln!(out)?;
    Ok(())
}
