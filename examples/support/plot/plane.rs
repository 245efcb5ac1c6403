//! Pictures of two columns.

use std::ops::Range;

use gmix_diffusion::nalgebra::DMatrix;
use plotters::prelude::*;

use super::view::View;
use super::{
    Area, AtPoints, Chart, DATA_COLOUR, DRAWN_ROWS, LogDensity, NEW_COLOUR, Outcome, PANEL, axes, canvas,
    drawn_rows, relative_density, text, title,
};

/// Points on each axis where the density is evaluated, and painted after interpolation.
const GRID: usize = 100;
const PAINTED: usize = 290;

/// Regions of highest density: the share of the mass in view that each holds, and its colour, from
/// the light to the dark end of viridis.
const REGIONS: [(f64, RGBColor); 6] = [
    (0.99, RGBColor(253, 231, 37)),
    (0.95, RGBColor(122, 209, 81)),
    (0.80, RGBColor(34, 168, 132)),
    (0.60, RGBColor(42, 120, 142)),
    (0.40, RGBColor(65, 68, 135)),
    (0.20, RGBColor(68, 1, 84)),
];

/// Width of the key to the regions, in pixels.
pub(super) const KEY: u32 = 76;

/// Scatter plots of the samples and, where there is one, the density.
pub(super) fn draw(
    svg: &mut String,
    names: &[String],
    view: &View,
    data: &DMatrix<f64>,
    new_rows: &DMatrix<f64>,
    log_density: Option<&LogDensity<'_>>,
) -> Outcome {
    let density =
        log_density.map(|law| GridDensity::evaluate(&|points: &_| law(&[0, 1], points), view)).transpose()?;
    let (panels, key) = if density.is_some() { (3, KEY) } else { (2, 0) };
    let area = canvas(svg, panels, key)?;
    let (charts, key_area) = area.split_horizontally(panels * PANEL);
    let charts = charts.split_evenly((1, panels as usize));
    let axes = |chart, title: &str| axes(chart, title, [&names[0], &names[1]], [view.axis(0), view.axis(1)]);
    for (chart, what, rows, colour) in
        [(&charts[0], "data", data, DATA_COLOUR), (&charts[1], "new rows", new_rows, NEW_COLOUR)]
    {
        scatter(&mut axes(chart, &title(what, rows, view))?, rows, view, colour, DRAWN_ROWS, 2)?;
    }
    if let Some(density) = density {
        paint(&mut axes(&charts[2], "learned density")?, &density, view, PAINTED)?;
        draw_key(&key_area)?;
    }
    area.present()?;
    Ok(())
}

/// `most` of the rows, evenly spread over all, as dots of a radius in pixels.
pub(super) fn scatter(
    chart: &mut Chart<'_, '_>,
    rows: &DMatrix<f64>,
    view: &View,
    colour: RGBColor,
    most: usize,
    radius: u32,
) -> Outcome {
    let points = drawn_rows(rows.nrows(), most).map(|row| (rows[(row, 0)], rows[(row, 1)]));
    chart.draw_series(
        points
            .filter(|&(x, y)| view.contains([x, y]))
            .map(|point| Circle::new(point, radius, colour.mix(0.5).filled())),
    )?;
    Ok(())
}

/// A density at the nodes of a square grid, up to a constant factor.
pub(super) struct GridDensity(DMatrix<f64>);

impl GridDensity {
    pub(super) fn evaluate(log_density: &AtPoints<'_>, view: &View) -> Outcome<Self> {
        let (x, y) = (view.nodes(0, GRID), view.nodes(1, GRID));
        let points =
            DMatrix::from_fn(GRID * GRID, 2, |i, axis| if axis == 0 { x[i % GRID] } else { y[i / GRID] });
        let (relative, _) = relative_density(log_density, &points)?;
        Ok(Self(DMatrix::from_vec(GRID, GRID, relative)))
    }

    /// Bilinear interpolation at shares of the way along the axes.
    fn at(&self, x: f64, y: f64) -> f64 {
        let split = |share: f64| {
            let position = share * (GRID - 1) as f64;
            let cell = (position as usize).min(GRID - 2);
            (cell, position - cell as f64)
        };
        let ((i, u), (j, v)) = (split(x), split(y));
        let along = |j: usize| (1.0 - u) * self.0[(i, j)] + u * self.0[(i + 1, j)];
        (1.0 - v) * along(j) + v * along(j + 1)
    }

    /// The density at the edge of each of `REGIONS`.
    fn thresholds(&self) -> [f64; REGIONS.len()] {
        let mut values = self.0.as_slice().to_vec();
        values.sort_by(|a, b| b.total_cmp(a));
        let total: f64 = values.iter().sum();
        REGIONS.map(|(share, _)| {
            let mut mass = 0.0;
            let edge = values.iter().position(|value| {
                mass += value;
                mass >= share * total
            });
            values[edge.unwrap_or(values.len() - 1)]
        })
    }
}

/// Fills the regions, each run of one colour in a row of `painted` rows and columns as one rectangle.
pub(super) fn paint(
    chart: &mut Chart<'_, '_>,
    density: &GridDensity,
    view: &View,
    painted: usize,
) -> Outcome {
    let thresholds = density.thresholds();
    let (x, y) = (view.nodes(0, painted + 1), view.nodes(1, painted + 1));
    let middle = |index: usize| (index as f64 + 0.5) / painted as f64;
    for row in 0..painted {
        let region = |column: usize| {
            let value = density.at(middle(column), middle(row));
            thresholds.iter().rposition(|&threshold| value >= threshold)
        };
        for (run, region) in runs((0..painted).map(region)) {
            if let Some(region) = region {
                let corners = [(x[run.start], y[row]), (x[run.end], y[row + 1])];
                chart.draw_series([Rectangle::new(corners, REGIONS[region].1.filled())])?;
            }
        }
    }
    Ok(())
}

/// Ranges of equal neighbours, each with their value.
fn runs<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<(Range<usize>, T)> {
    let mut runs: Vec<(Range<usize>, T)> = Vec::new();
    for (index, value) in values.enumerate() {
        match runs.last_mut() {
            Some((run, last)) if *last == value => run.end = index + 1,
            _ => runs.push((index..index + 1, value)),
        }
    }
    runs
}

pub(super) fn draw_key(area: &Area<'_>) -> Outcome {
    let (left, top, height) = (2, 60, 24);
    area.draw(&Text::new("mass inside", (left, top - 22), text(13)))?;
    for (index, (share, colour)) in REGIONS.iter().enumerate() {
        let y = top + height * index as i32;
        area.draw(&Rectangle::new([(left, y), (left + 20, y + height)], colour.filled()))?;
        area.draw(&Text::new(format!("{:.0} %", 100.0 * share), (left + 26, y + 6), text(13)))?;
    }
    Ok(())
}
