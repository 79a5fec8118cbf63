//! Accuracy against α: one line per set, one panel per clusterer and protocol.

use crate::Failure;
use crate::runs::{AFTER, ALONG, Method, Protocol, Run};
use crate::sets::{NO_DECAY, Set};
use crate::table::summary;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::path::Path;

const WIDTH: u32 = 1050;
const HEIGHT: u32 = 640;
const LEGEND: u32 = 310;
const LEGEND_LINE: i32 = 22;

const PROTOCOLS: [(Protocol, &str); 2] = [(Protocol::OneTensor, "one tensor"), (Protocol::Told, "all matrices")];

/// Distinct to readers with any color vision (Okabe and Ito).
const COLORS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
    RGBColor(150, 150, 150),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// How the line of a set looks: sets and their parts without decay share a color.
fn styles(sets: &[Set]) -> Vec<(ShapeStyle, bool)> {
    let whole = |set: &Set| set.name.trim_end_matches(NO_DECAY).to_owned();
    let mut seen: Vec<String> = Vec::new();
    let style = |set: &Set| {
        let name = whole(set);
        let at = seen.iter().position(|s| *s == name).unwrap_or_else(|| {
            seen.push(name.clone());
            seen.len() - 1
        });
        (COLORS[at % COLORS.len()].stroke_width(2), set.name != name)
    };
    sets.iter().map(style).collect()
}

/// Writes the averages over seeds, with the number of families given.
pub(crate) fn write(path: &Path, sets: &[Set], runs: &[Run]) -> Result<(), Failure> {
    let area = SVGBackend::new(path, (WIDTH, HEIGHT)).into_drawing_area();
    area.fill(&WHITE)?;
    let (charts, legend) = area.split_horizontally(WIDTH - LEGEND);
    let styles = styles(sets);
    let kinds = PROTOCOLS.into_iter().flat_map(|p| Method::WITH_CENTROIDS.map(|m| (p, m)));
    let panels = charts.split_evenly((PROTOCOLS.len(), Method::WITH_CENTROIDS.len()));
    for (panel, ((protocol, what), method)) in panels.iter().zip(kinds) {
        let lines = (0..sets.len()).map(|at| {
            let point = |alpha| Some((alpha, summary(runs, at, protocol, method, alpha)?.average));
            ALONG.into_iter().chain([AFTER]).filter_map(point).collect()
        });
        draw(panel, &format!("{}, {what}", method.name()), lines.zip(&styles))?;
    }
    for ((at, set), &(style, dashed)) in (1..).zip(sets).zip(&styles) {
        let y = at * LEGEND_LINE + 20;
        let pieces: &[[i32; 2]] = if dashed { &[[0, 8], [12, 20]] } else { &[[0, 20]] };
        for [begin, end] in pieces {
            legend.draw(&PathElement::new([(*begin, y), (*end, y)], style))?;
        }
        legend.draw(&Text::new(set.name.as_str(), (28, y - 6), ("sans-serif", 14)))?;
    }
    area.present()?;
    Ok(())
}

fn draw<'a>(
    panel: &Area<'_>,
    caption: &str,
    lines: impl Iterator<Item = (Vec<(f64, f64)>, &'a (ShapeStyle, bool))>,
) -> Result<(), Failure> {
    let mut chart = ChartBuilder::on(panel)
        .caption(caption, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(36)
        .y_label_area_size(46)
        .build_cartesian_2d(-0.02..1.02, -2.0..102.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .label_style(("sans-serif", 14))
        .x_desc("α (1: after clustering)")
        .y_desc("accuracy, % of children")
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|x| format!("{x:.1}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    for (points, &(style, dashed)) in lines {
        if dashed {
            chart.draw_series(DashedLineSeries::new(points, 14, 8, style))?;
        } else {
            chart.draw_series(LineSeries::new(points, style))?;
        }
    }
    Ok(())
}
