//! One picture of a fit: the data, the new rows and the learned density side by side, as SVG.

pub(crate) mod groups;
mod line;
mod pairs;
mod plane;
mod view;

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use gmix_diffusion::nalgebra::{DMatrix, DVector};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::output::write_whole;
use view::View;

/// Natural log-density of some of the columns, by their indices, at the rows of a matrix of these.
pub(crate) type LogDensity<'a> = dyn Fn(&[usize], &DMatrix<f64>) -> gmix_diffusion::Result<DVector<f64>> + 'a;

/// The same of columns that are settled.
type AtPoints<'a> = dyn Fn(&DMatrix<f64>) -> gmix_diffusion::Result<DVector<f64>> + 'a;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Blue and vermilion of Okabe and Ito's palette: distinct to colour-blind readers and in print.
const DATA_COLOUR: RGBColor = RGBColor(0, 114, 178);
const NEW_COLOUR: RGBColor = RGBColor(213, 94, 0);

/// Side of a panel, in pixels.
const PANEL: u32 = 380;

/// Room around the data, as a share of their range: what is learned is wider than the sample.
const MARGIN: f64 = 0.15;

/// Rows drawn of a sample; more would only blacken the picture and swell the file.
const DRAWN_ROWS: usize = 3000;

/// Draws `data` (n × d) beside `new_rows` (m × d) into the SVG file `path`, as [`fit_svg`] does.
pub(crate) fn plot_fit(
    path: &Path,
    column_names: &[String],
    data: &DMatrix<f64>,
    new_rows: &DMatrix<f64>,
    log_density: Option<&LogDensity<'_>>,
) -> Outcome {
    let error = |cause: &dyn std::fmt::Display| format!("{}: {cause}", path.display());
    let svg = fit_svg(column_names, data, new_rows, log_density).map_err(|cause| error(&cause))?;
    write_whole(path, svg.as_bytes()).map_err(|cause| error(&cause).into())
}

/// A picture, as SVG, of `data` (n × d) beside `new_rows` (m × d).
///
/// One column: histograms and a rug, with the density as a curve. Two columns: scatter plots, and the
/// density as the regions of highest density that hold a given share of the mass. More columns: all pairs
/// of them, with the densities of pairs and of single columns. The range of axes is that of the data; for one
/// and two columns a title says how many rows lie outside or are left out.
pub(crate) fn fit_svg(
    column_names: &[String],
    data: &DMatrix<f64>,
    new_rows: &DMatrix<f64>,
    log_density: Option<&LogDensity<'_>>,
) -> Outcome<String> {
    let mut svg = String::new();
    draw_fit(&mut svg, column_names, data, new_rows, log_density)?;
    Ok(svg)
}

fn draw_fit(
    svg: &mut String,
    column_names: &[String],
    data: &DMatrix<f64>,
    new_rows: &DMatrix<f64>,
    log_density: Option<&LogDensity<'_>>,
) -> Outcome {
    if data.nrows() == 0 || data.ncols() == 0 {
        return Err("there are no data to draw".into());
    }
    if column_names.len() != data.ncols() || new_rows.ncols() != data.ncols() {
        return Err("names, data and new rows differ in their number of columns".into());
    }
    if data.iter().any(|value| !value.is_finite()) {
        return Err("the data hold a value that is not a finite number".into());
    }
    let view = View::of(data, MARGIN);
    match data.ncols() {
        1 => line::draw(svg, &column_names[0], &view, data, new_rows, log_density),
        2 => plane::draw(svg, column_names, &view, data, new_rows, log_density),
        _ => pairs::draw(svg, column_names, &view, data, new_rows, log_density),
    }
}

/// An opaque white picture of `panels` square panels in a row and `extra` pixels at the right: it
/// reads alike on light and dark pages.
fn canvas(svg: &mut String, panels: u32, extra: u32) -> Outcome<Area<'_>> {
    let area = SVGBackend::with_string(svg, (panels * PANEL + extra, PANEL)).into_drawing_area();
    area.fill(&WHITE)?;
    Ok(area)
}

type Plane = Cartesian2d<RangedCoordf64, RangedCoordf64>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Plane>;

/// Titled, empty axes with a name each.
fn axes<'a, 'b>(
    area: &Area<'b>,
    title: &str,
    names: [&str; 2],
    ranges: [Range<f64>; 2],
) -> Outcome<Chart<'a, 'b>> {
    let [x, y] = ranges;
    let mut chart = ChartBuilder::on(area)
        .caption(title, text(15))
        .margin(10)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc(names[0])
        .y_desc(names[1])
        .x_labels(5)
        .y_labels(6)
        .x_label_formatter(&tick)
        .y_label_formatter(&tick)
        .label_style(text(13))
        .draw()?;
    Ok(chart)
}

fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&BLACK)
}

/// A tick's number, without the noise of its last bits.
fn tick(value: &f64) -> String {
    let scientific = format!("{value:.6e}");
    let rounded: f64 = scientific.parse().unwrap_or(*value);
    let plain = rounded == 0.0 || (1e-5..1e7).contains(&rounded.abs());
    if plain { rounded.to_string() } else { format!("{rounded:e}") }
}

/// `what (count rows)`, with what a reader must know about rows that are not to be seen.
fn title(what: &str, rows: &DMatrix<f64>, view: &View) -> String {
    let outside = rows.row_iter().filter(|row| !view.contains(row.iter().copied())).count();
    let mut title = format!("{what} ({} rows", rows.nrows());
    if rows.nrows() > DRAWN_ROWS {
        title += &format!(", {DRAWN_ROWS} drawn");
    }
    if outside > 0 {
        title += &format!(", {outside} out of view");
    }
    title + ")"
}

/// Indices of the rows to draw, `most` of them, evenly spread over all.
fn drawn_rows(n: usize, most: usize) -> impl Iterator<Item = usize> {
    let drawn = n.min(most);
    (0..drawn).map(move |i| i * n / drawn)
}

/// exp(log_density − its maximum) at the rows of `points`, and that maximum.
fn relative_density(log_density: &AtPoints<'_>, points: &DMatrix<f64>) -> Outcome<(Vec<f64>, f64)> {
    let values = log_density(points)?;
    if values.len() != points.nrows() || values.iter().any(|value| value.is_nan()) {
        return Err("the log-density is not one number for each row".into());
    }
    let maximum = values.max();
    if !maximum.is_finite() {
        return Err(format!("the log-density is at most {maximum} where the data are").into());
    }
    Ok((values.iter().map(|value| (value - maximum).exp()).collect(), maximum))
}
