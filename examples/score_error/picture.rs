//! One picture: a panel a law, a line a composition.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::OfLaw;
use super::measurement::{COMPOSITIONS, LevelMeasurement};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Blue, vermilion and black of Okabe and Ito's palette: distinct to colour-blind readers and in print.
const COLOURS: [RGBColor; 3] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0), BLACK];

/// Markers say a second time what colours say.
enum Marker {
    Circle,
    Triangle,
    Cross,
}
const MARKERS: [Marker; 3] = [Marker::Circle, Marker::Triangle, Marker::Cross];

const COLUMNS: usize = 4;
/// Width and height of a panel, in pixels.
const PANEL: (u32, u32) = (320, 270);
/// Decades of contributions shown below the largest; smaller ones are drawn at the lower edge.
const DECADES: i32 = 5;

/// KL contributions against bandwidths, both axes logarithmic. White and opaque, so that it reads alike
/// on light and dark pages.
pub(crate) fn svg(laws: &[OfLaw]) -> Outcome<String> {
    let panels = laws.len() + 1;
    let rows = panels.div_ceil(COLUMNS);
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, (COLUMNS as u32 * PANEL.0, rows as u32 * PANEL.1))
        .into_drawing_area();
    area.fill(&WHITE)?;
    let panels = area.split_evenly((rows, COLUMNS));
    for (panel, law) in panels.iter().zip(laws) {
        draw_law(panel, law)?;
    }
    draw_key(&panels[laws.len()])?;
    area.present()?;
    drop((panels, area));
    Ok(svg)
}

fn draw_law(panel: &Area<'_>, law: &OfLaw) -> Outcome {
    let levels = &law.by_composition[0][0].levels;
    let (quietest, noisiest) = (levels[levels.len() - 1].bandwidth, levels[0].bandwidth);
    let all = law.by_composition.iter().flat_map(|measurements| &measurements[0].levels);
    let largest = all.map(|level| level.contribution).fold(f64::MIN_POSITIVE, f64::max);
    let top = 10f64.powi(largest.log10().ceil() as i32);
    let bottom = top * 10f64.powi(-DECADES);

    let title = format!("{}, σ₀ = {:.2}", law.name, law.component_std);
    let mut chart = ChartBuilder::on(panel)
        .caption(title, text(15))
        .margin(8)
        .x_label_area_size(38)
        .y_label_area_size(58)
        .build_cartesian_2d(
            (0.95 * quietest..1.05 * noisiest).log_scale().with_key_points(ticks(quietest, noisiest)),
            (bottom..top).log_scale().with_key_points(decades(bottom, top)),
        )?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc("bandwidth τ")
        .y_desc("KL contribution, nats")
        .x_label_formatter(&|value| value.to_string())
        .y_label_formatter(&|value| format!("{value:.0e}"))
        .label_style(text(12))
        .draw()?;
    for (index, measurements) in law.by_composition.iter().enumerate() {
        let point = |level: &LevelMeasurement| (level.bandwidth, level.contribution.max(bottom));
        let points: Vec<(f64, f64)> = measurements[0].levels.iter().map(point).collect();
        chart.draw_series(LineSeries::new(points.iter().copied(), line(index)))?;
        let (points, style) = (points.into_iter(), COLOURS[index].filled());
        match MARKERS[index] {
            Marker::Circle => chart.draw_series(points.map(|at| Circle::new(at, 3, style)))?,
            Marker::Triangle => chart.draw_series(points.map(|at| TriangleMarker::new(at, 4, style)))?,
            Marker::Cross => chart.draw_series(points.map(|at| Cross::new(at, 3, line(index))))?,
        };
    }
    Ok(())
}

fn line(composition: usize) -> ShapeStyle {
    COLOURS[composition].stroke_width(2)
}

/// Names of the lines, in place of a panel.
fn draw_key(panel: &Area<'_>) -> Outcome {
    for (index, (composition, _)) in COMPOSITIONS.iter().enumerate() {
        let y = 90 + 34 * index as i32;
        panel.draw(&PathElement::new([(70, y), (110, y)], line(index)))?;
        let (at, style) = ((90, y), COLOURS[index].filled());
        match MARKERS[index] {
            Marker::Circle => panel.draw(&Circle::new(at, 3, style))?,
            Marker::Triangle => panel.draw(&TriangleMarker::new(at, 4, style))?,
            Marker::Cross => panel.draw(&Cross::new(at, 3, line(index)))?,
        };
        panel.draw(&Text::new(*composition, (122, y - 8), text(16)))?;
    }
    Ok(())
}

/// 1, 2 and 5 times the powers of ten in a range.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let exponents = low.log10().floor() as i32..=high.log10().floor() as i32;
    let steps = exponents.flat_map(|exponent| [1.0, 2.0, 5.0].map(|digit| (digit, exponent)));
    // A division keeps 0.2 free of the noise that 2 × 0.1 can carry.
    let value = |(digit, exponent): (f64, i32)| {
        if exponent < 0 { digit / 10f64.powi(-exponent) } else { digit * 10f64.powi(exponent) }
    };
    steps.map(value).filter(|value| (0.95 * low..=1.05 * high).contains(value)).collect()
}

fn decades(bottom: f64, top: f64) -> Vec<f64> {
    let exponents = bottom.log10().round() as i32..=top.log10().round() as i32;
    exponents.map(|exponent| 10f64.powi(exponent)).collect()
}

fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&BLACK)
}
