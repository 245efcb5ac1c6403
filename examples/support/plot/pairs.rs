//! Pictures of three columns and more: every pair of them.

use gmix_diffusion::nalgebra::DMatrix;
use plotters::prelude::*;

use super::line::{bin_count, density_curve, histogram};
use super::plane::{GridDensity, KEY, draw_key, paint, scatter};
use super::view::View;
use super::{Area, Chart, DATA_COLOUR, LogDensity, NEW_COLOUR, Outcome, text, tick};

/// More columns than this would be too small to see: the first are shown.
const MOST_COLUMNS: usize = 8;
/// Side of a panel, and room for ticks and names at the left and below, in pixels.
const SIDE: u32 = 170;
const MARGINS: (u32, u32) = (70, 52);
const HEADING: u32 = 30;
/// Rows drawn of a sample in each panel.
const DRAWN: usize = 600;
/// Rectangles a side that a density is painted with.
const PAINTED: usize = 85;

/// On the diagonal a histogram of the data with the learned density of the column; above it data and new rows; below it
/// the learned density of the two columns, or again data and new rows where there is none.
pub(super) fn draw(
    svg: &mut String,
    names: &[String],
    view: &View,
    data: &DMatrix<f64>,
    new_rows: &DMatrix<f64>,
    law: Option<&LogDensity<'_>>,
) -> Outcome {
    let shown = names.len().min(MOST_COLUMNS);
    let side = shown as u32 * SIDE;
    let key = if law.is_some() { KEY } else { 10 };
    let area = SVGBackend::with_string(svg, (MARGINS.0 + side + key, HEADING + side + MARGINS.1))
        .into_drawing_area();
    area.fill(&WHITE)?;
    let (heading, body) = area.split_vertically(HEADING);
    draw_heading(&heading, names.len(), data, new_rows, law.is_some())?;
    let (body, key) = body.split_horizontally(MARGINS.0 + side);
    for row in 0..shown {
        for column in 0..shown {
            // Panels at the left and below have room for ticks and names.
            let left = if column == 0 { 0 } else { MARGINS.0 as i32 + (column as u32 * SIDE) as i32 };
            let below = if row + 1 == shown { MARGINS.1 } else { 0 };
            let top = (row as u32 * SIDE) as i32;
            let right = (MARGINS.0 + (column as u32 + 1) * SIDE) as i32;
            let panel = body.clone().shrink((left, top), ((right - left) as u32, SIDE + below));
            let chart = |height: Option<f64>| panel_axes(&panel, names, view, [column, row], shown, height);
            let pair = |rows: &DMatrix<f64>| rows.select_columns(&[column, row]);
            let pair_view = view.of_columns(&[column, row]);
            match law {
                _ if row == column => draw_column(&chart, &view.of_columns(&[row]), row, data, law)?,
                Some(law) if row > column => {
                    let density = |points: &DMatrix<f64>| law(&[column, row], points);
                    let density = GridDensity::evaluate(&density, &pair_view)?;
                    paint(&mut chart(None)?, &density, &pair_view, PAINTED)?;
                }
                _ => {
                    let mut chart = chart(None)?;
                    for (rows, colour) in [(data, DATA_COLOUR), (new_rows, NEW_COLOUR)] {
                        scatter(&mut chart, &pair(rows), &pair_view, colour, DRAWN, 1)?;
                    }
                }
            }
        }
    }
    if law.is_some() {
        draw_key(&key)?;
    }
    area.present()?;
    Ok(())
}

/// What the panels show.
fn draw_heading(
    area: &Area<'_>,
    columns: usize,
    data: &DMatrix<f64>,
    new_rows: &DMatrix<f64>,
    has_law: bool,
) -> Outcome {
    let left = MARGINS.0 as i32;
    area.draw(&Text::new(format!("data ({} rows)", data.nrows()), (left, 8), text(15).color(&DATA_COLOUR)))?;
    let new = format!("new rows ({} rows)", new_rows.nrows());
    area.draw(&Text::new(new, (left + 150, 8), text(15).color(&NEW_COLOUR)))?;
    let density = if has_law { "below: learned density" } else { "" };
    let rest = columns.saturating_sub(MOST_COLUMNS);
    let rest = if rest > 0 { format!("  (the last {rest} columns are not shown)") } else { String::new() };
    area.draw(&Text::new(format!("{density}{rest}"), (left + 330, 8), text(15)))?;
    Ok(())
}

/// Axes with ticks and names at the rim of the picture alone; for a column by itself up to a height instead.
fn panel_axes<'a, 'b>(
    panel: &Area<'b>,
    names: &[String],
    view: &View,
    [column, row]: [usize; 2],
    shown: usize,
    height: Option<f64>,
) -> Outcome<Chart<'a, 'b>> {
    let (at_left, at_bottom) = (column == 0, row + 1 == shown);
    let ordinate = height.map_or(view.axis(row), |height| 0.0..height);
    let mut chart = ChartBuilder::on(panel)
        .margin(3)
        .x_label_area_size(if at_bottom { MARGINS.1 } else { 0 })
        .y_label_area_size(if at_left { MARGINS.0 } else { 0 })
        .build_cartesian_2d(view.axis(column), ordinate)?;
    let mut mesh = chart.configure_mesh();
    mesh.disable_mesh().axis_style(BLACK.mix(0.4)).label_style(text(11)).axis_desc_style(text(13));
    mesh.x_label_formatter(&tick).y_label_formatter(&tick);
    // The height of a histogram is no value of the column.
    mesh.x_labels(if at_bottom { 3 } else { 0 }).y_labels(if at_left && height.is_none() { 4 } else { 0 });
    if at_bottom {
        mesh.x_desc(names[column].as_str());
    }
    if at_left {
        mesh.y_desc(names[row].as_str());
    }
    mesh.draw()?;
    Ok(chart)
}

fn draw_column<'a, 'b>(
    chart: &dyn Fn(Option<f64>) -> Outcome<Chart<'a, 'b>>,
    view: &View,
    column: usize,
    data: &DMatrix<f64>,
    law: Option<&LogDensity<'_>>,
) -> Outcome {
    let values = data.select_columns(&[column]);
    let bins = view.nodes(0, bin_count(&values, view) + 1);
    let heights = histogram(&values, &bins);
    let curve = match law {
        Some(law) => density_curve(&|points: &DMatrix<f64>| law(&[column], points), view)?,
        None => Vec::new(),
    };
    let top = heights.iter().chain(curve.iter().map(|(_, density)| density)).fold(0.0, |a: f64, &b| a.max(b));
    let mut chart = chart(Some(1.06 * top))?;
    chart.draw_series(bins.windows(2).zip(&heights).map(|(bin, height)| {
        Rectangle::new([(bin[0], 0.0), (bin[1], *height)], DATA_COLOUR.mix(0.35).filled())
    }))?;
    chart.draw_series(LineSeries::new(curve, BLACK.stroke_width(1)))?;
    Ok(())
}
