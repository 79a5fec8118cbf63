//! The runs as the paper's tables, in Markdown, and as CSV.

use crate::Failure;
use crate::runs::{AFTER, ALONG, Method, Protocol, Run};
use crate::sets::Set;
use std::io::Write;

/// Accuracies over seeds, in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    pub(crate) average: f64,
    deviation: f64,
    best: f64,
    with_roots: f64,
}

/// Summary of one set, protocol, method and α.
pub(crate) fn summary(runs: &[Run], set: usize, protocol: Protocol, method: Method, alpha: f64) -> Option<Summary> {
    let same = |r: &&Run| r.set == set && r.protocol == protocol && r.method == method && r.alpha == alpha;
    let percent = |share: Option<f64>| 100.0 * share.unwrap_or(f64::NAN);
    let some: Vec<&Run> = runs.iter().filter(same).collect();
    let mean = |of: &dyn Fn(&Run) -> f64| some.iter().map(|r| of(r)).sum::<f64>() / some.len() as f64;
    let accuracy = |r: &Run| percent(r.found.accuracy.share());
    let average = mean(&accuracy);
    (!some.is_empty()).then(|| Summary {
        average,
        deviation: mean(&|r| (accuracy(r) - average).powi(2)).sqrt(),
        best: some.iter().map(|r| accuracy(r)).fold(f64::NEG_INFINITY, f64::max),
        with_roots: mean(&|r| percent(r.found.accuracy_with_roots.share())),
    })
}

/// The α < 1 of the highest average, the smallest of equal ones.
fn best_along(runs: &[Run], set: usize, protocol: Protocol, method: Method) -> Option<(f64, Summary)> {
    let along = ALONG.iter().filter_map(|&alpha| Some((alpha, summary(runs, set, protocol, method, alpha)?)));
    along.fold(None, |best: Option<(f64, Summary)>, next| match best {
        Some(best) if best.1.average >= next.1.average => Some(best),
        _ => Some(next),
    })
}

/// All tables of one protocol.
pub(crate) fn protocol(out: &mut impl Write, sets: &[Set], runs: &[Run], protocol: Protocol) -> Result<(), Failure> {
    let title = match protocol {
        Protocol::OneTensor => {
            "First 1,024 values of one tensor, true number of families given (the paper's configuration)"
        }
        Protocol::Told => "All matrices, true number of families given",
        Protocol::Unattended => "All matrices, nothing given",
    };
    writeln!(out, "## {title}\n")?;

    writeln!(out, "Identify after clustering (α = 1)\n")?;
    header(out, &Method::ALL, &["Average", "Best", "with roots"])?;
    for (at, set) in sets.iter().enumerate() {
        write!(out, "| {}", label(set, protocol))?;
        for method in Method::ALL {
            let s = summary(runs, at, protocol, method, AFTER).ok_or("no run")?;
            write!(out, " | {} | {:.2} | {:.2}", average(s), s.best, s.with_roots)?;
        }
        writeln!(out, " |")?;
    }

    writeln!(out, "\nIdentify along clustering (α < 1), each set at its best α\n")?;
    header(out, &Method::WITH_CENTROIDS, &["Average", "Best", "with roots", "α"])?;
    for (at, set) in sets.iter().enumerate() {
        write!(out, "| {}", label(set, protocol))?;
        for method in Method::WITH_CENTROIDS {
            let (alpha, s) = best_along(runs, at, protocol, method).ok_or("no run")?;
            write!(out, " | {} | {:.2} | {:.2} | {alpha}", average(s), s.best, s.with_roots)?;
        }
        writeln!(out, " |")?;
    }

    writeln!(out, "\nAverage at each α, where it is not the same at all of them\n")?;
    let columns = ALONG.iter().map(|a| format!(" {a} |")).collect::<String>();
    writeln!(out, "| Set | Clusterer |{columns} 1 (after) |\n|---|---|{}---|", "---|".repeat(ALONG.len()))?;
    for (at, set) in sets.iter().enumerate() {
        for method in Method::WITH_CENTROIDS {
            let at_alpha = |alpha| summary(runs, at, protocol, method, alpha).map(average);
            let cells: Vec<String> = ALONG.into_iter().chain([AFTER]).filter_map(at_alpha).collect();
            if cells.iter().any(|c| *c != cells[0]) {
                writeln!(out, "| {} | {} | {} |", set.name, method.name(), cells.join(" | "))?;
            }
        }
    }
    writeln!(out)?;
    Ok(())
}

fn average(s: Summary) -> String {
    format!("{:.2}±{:.2}", s.average, s.deviation)
}

fn label(set: &Set, protocol: Protocol) -> String {
    match protocol {
        Protocol::OneTensor => format!("{}, `{}`", set.name, set.tensor),
        _ => set.name.clone(),
    }
}

fn header(out: &mut impl Write, methods: &[Method], columns: &[&str]) -> std::io::Result<()> {
    write!(out, "| Set |")?;
    for method in methods {
        for column in columns {
            write!(out, " {} {column} |", method.name())?;
        }
    }
    writeln!(out, "\n|---|{}", "---|".repeat(methods.len() * columns.len()))
}

/// Every run.
pub(crate) fn csv(mut out: impl Write, sets: &[Set], runs: &[Run]) -> Result<(), Failure> {
    writeln!(
        out,
        "set,models,families,protocol,clusterer,alpha,seed,right,children,accuracy,accuracy_with_roots,exact_families,right_roots"
    )?;
    for r in runs {
        let (set, found) = (&sets[r.set], &r.found);
        let share = |share: Option<f64>| share.map_or(String::new(), |s| format!("{s:.6}"));
        writeln!(
            out,
            "\"{}\",{},{},{},{},{},{},{},{},{},{},{},{}",
            set.name,
            set.names.len(),
            found.families.exact.of,
            r.protocol.name(),
            r.method.name(),
            r.alpha,
            r.seed,
            found.accuracy.right,
            found.accuracy.of,
            share(found.accuracy.share()),
            share(found.accuracy_with_roots.share()),
            found.families.exact.right,
            found.root_families.right
        )?;
    }
    out.flush()?;
    Ok(())
}
