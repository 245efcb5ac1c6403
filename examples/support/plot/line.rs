//! Pictures of one column.

use gmix_diffusion::nalgebra::DMatrix;
use plotters::prelude::*;

use super::view::View;
use super::{
    AtPoints, DATA_COLOUR, DRAWN_ROWS, LogDensity, NEW_COLOUR, Outcome, axes, canvas, drawn_rows,
    relative_density, text, title,
};

/// Points on the density's curve.
const CURVE_POINTS: usize = 400;

/// Histogram and rug of each sample, with the density's curve over both.
pub(super) fn draw(
    svg: &mut String,
    name: &str,
    view: &View,
    data: &DMatrix<f64>,
    new_rows: &DMatrix<f64>,
    log_density: Option<&LogDensity<'_>>,
) -> Outcome {
    let curve = log_density
        .map(|law| density_curve(&|points: &_| law(&[0], points), view))
        .transpose()?
        .unwrap_or_default();
    let bins = view.nodes(0, bin_count(data, view) + 1);
    let samples = [("data", data, DATA_COLOUR), ("new rows", new_rows, NEW_COLOUR)];
    let heights = samples.map(|(_, rows, _)| histogram(rows, &bins));
    let top = heights
        .iter()
        .flatten()
        .chain(curve.iter().map(|(_, density)| density))
        .fold(0.0, |a: f64, &b| a.max(b));

    let area = canvas(svg, 2, 0)?;
    for ((panel, (what, rows, colour)), heights) in area.split_evenly((1, 2)).iter().zip(samples).zip(heights)
    {
        let ranges = [view.axis(0), 0.0..1.06 * top];
        let mut chart = axes(panel, &title(what, rows, view), [name, "density"], ranges)?;
        chart.draw_series(bins.windows(2).zip(heights).map(|(bin, height)| {
            Rectangle::new([(bin[0], 0.0), (bin[1], height)], colour.mix(0.35).filled())
        }))?;
        chart.draw_series(
            drawn_rows(rows.nrows(), DRAWN_ROWS)
                .map(|row| rows[row])
                .filter(|&x| view.contains([x]))
                .map(|x| PathElement::new([(x, 0.0), (x, 0.025 * top)], colour.mix(0.6))),
        )?;
        if !curve.is_empty() {
            let style = BLACK.stroke_width(2);
            chart
                .draw_series(LineSeries::new(curve.iter().copied(), style))?
                .label("learned density")
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .label_font(text(13))
                .draw()?;
        }
    }
    area.present()?;
    Ok(())
}

/// Freedman and Diaconis's bin width, 2 · interquartile range · n^(−1/3), within reason.
pub(super) fn bin_count(data: &DMatrix<f64>, view: &View) -> usize {
    let mut sorted = data.as_slice().to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let width = 2.0 * (sorted[3 * (n - 1) / 4] - sorted[(n - 1) / 4]) / (n as f64).cbrt();
    let axis = view.axis(0);
    // Infinite where half the values are equal; the cast saturates.
    (((axis.end - axis.start) / width) as usize).clamp(10, 80)
}

/// Densities of the bins: shares of all rows, also of those out of view, over the bins' width.
pub(super) fn histogram(rows: &DMatrix<f64>, bins: &[f64]) -> Vec<f64> {
    let (start, width) = (bins[0], bins[1] - bins[0]);
    let mut heights = vec![0.0; bins.len() - 1];
    for &x in rows.iter() {
        let bin = ((x - start) / width).floor();
        if bin >= 0.0 && bin < heights.len() as f64 {
            heights[bin as usize] += 1.0 / (rows.nrows() as f64 * width);
        }
    }
    heights
}

pub(super) fn density_curve(log_density: &AtPoints<'_>, view: &View) -> Outcome<Vec<(f64, f64)>> {
    let nodes = view.nodes(0, CURVE_POINTS);
    let (relative, maximum) =
        relative_density(log_density, &DMatrix::from_column_slice(CURVE_POINTS, 1, &nodes))?;
    Ok(nodes.into_iter().zip(relative.into_iter().map(|value| value * maximum.exp())).collect())
}
