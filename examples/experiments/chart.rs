//! Pictures of several panels with one key, as SVG: white and opaque, so that they read alike on light and dark
//! pages, in colours that colour-blind readers can tell apart, with a marker as second sign.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::Outcome;

/// Okabe and Ito's palette.
const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(0, 0, 0),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
/// Height of a line of the key, and its width for each name, in pixels.
const KEY_LINE: u32 = 26;
const KEY_WIDTH: u32 = 250;

/// Steps between white and dark.
const SHADE_STEPS: f64 = 16.0;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Places, Places>>;

/// Places along an axis, with ticks at some of them.
struct Places {
    places: RangedCoordf64,
    ticks: Vec<f64>,
    range: Range<f64>,
}

impl Ranged for Places {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.places.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// A point with a vector.
pub(crate) type Arrow = ((f64, f64), (f64, f64));

/// A named axis with its range in the data's units.
#[derive(Clone)]
pub(crate) struct Axis {
    name: String,
    range: Range<f64>,
    logarithmic: bool,
}

impl Axis {
    pub(crate) fn linear(name: &str, range: Range<f64>) -> Self {
        Self { name: name.into(), range, logarithmic: false }
    }

    pub(crate) fn logarithmic(name: &str, range: Range<f64>) -> Self {
        Self { name: name.into(), range, logarithmic: true }
    }

    /// Where a value is drawn; those out of range on its edge.
    fn place(&self, value: f64) -> f64 {
        let value = value.clamp(self.range.start, self.range.end);
        if self.logarithmic { value.log10() } else { value }
    }

    fn coordinates(&self) -> Places {
        let range = self.place(self.range.start)..self.place(self.range.end);
        Places { places: range.clone().into(), ticks: self.ticks(), range }
    }

    /// Places of the ticks: round numbers, powers of ten with 2 and 5 between few of them.
    fn ticks(&self) -> Vec<f64> {
        let (low, high) = (self.range.start, self.range.end);
        if !self.logarithmic {
            let raw = (high - low) / 5.0;
            let power = 10f64.powf(raw.log10().floor());
            let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|s| s * power >= raw).unwrap_or(10.0) * power;
            let first = (low / step - 1e-9).ceil() as i64;
            let last = (high / step + 1e-9).floor() as i64;
            return (first..=last).map(|i| i as f64 * step).collect();
        }
        let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let digits: &[f64] = if high / low > 300.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let values = decades.flat_map(|e| digits.iter().map(move |digit| digit * 10f64.powi(e)));
        values.filter(|v| (low * 0.999..=high * 1.001).contains(v)).map(f64::log10).collect()
    }

    fn label(&self, place: f64) -> String {
        let value = if self.logarithmic { 10f64.powf(place) } else { place };
        let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
        match rounded.abs() {
            0.0 => "0".into(),
            size if (1e-3..1e5).contains(&size) => rounded.to_string(),
            size if size < 1e-9 && !self.logarithmic => "0".into(),
            _ => format!("{rounded:e}"),
        }
    }
}

/// Something drawn in a panel; `style` is an index into the key.
pub(crate) enum Mark {
    /// A line; with markers at its points where `marked`.
    Line { points: Vec<(f64, f64)>, style: usize, marked: bool },
    /// Points.
    Dots { points: Vec<(f64, f64)>, style: usize, size: i32 },
    /// Large crosses with a white rim.
    Crosses { points: Vec<(f64, f64)>, style: usize },
    /// Arrows from a point by a vector.
    Arrows { arrows: Vec<Arrow>, style: usize },
    /// Values from 0 to 1 on a grid, row by row from below, over the whole panel.
    Shades { columns: usize, values: Vec<f64> },
}

pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) marks: Vec<Mark>,
}

/// Panels in a grid under a key with a name for each style.
pub(crate) struct Picture {
    pub(crate) columns: usize,
    /// Width and height of a panel, in pixels.
    pub(crate) size: (u32, u32),
    pub(crate) key: Vec<String>,
    pub(crate) panels: Vec<Panel>,
}

impl Picture {
    pub(crate) fn svg(&self) -> Outcome<String> {
        let rows = self.panels.len().div_ceil(self.columns);
        let width = self.columns as u32 * self.size.0;
        let a_line = ((width / KEY_WIDTH) as usize).max(1);
        let key_height = self.key.len().div_ceil(a_line) as u32 * KEY_LINE + 10;
        let mut svg = String::new();
        let size = (width, rows as u32 * self.size.1 + key_height);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        let (key, panels) = area.split_vertically(key_height);
        for (index, name) in self.key.iter().enumerate() {
            let x = 16 + (index % a_line) as i32 * KEY_WIDTH as i32;
            let y = 18 + (index / a_line) as i32 * KEY_LINE as i32;
            self.draw_key(&key, name, index, (x, y))?;
        }
        for (area, panel) in panels.split_evenly((rows, self.columns)).iter().zip(&self.panels) {
            panel.draw(area)?;
        }
        area.present()?;
        drop((area, key, panels));
        Ok(svg)
    }

    /// A name, after the sign that its style has in the panels.
    fn draw_key(&self, area: &Area<'_>, name: &str, style: usize, (x, y): (i32, i32)) -> Outcome {
        let at = (x + 17, y);
        match self.panels.iter().flat_map(|panel| &panel.marks).find(|mark| mark.style() == Some(style)) {
            Some(Mark::Dots { size, .. }) => area.draw(&Circle::new(at, *size, colour(style).filled()))?,
            Some(Mark::Crosses { .. }) => area.draw(&Cross::new(at, 6, colour(style).stroke_width(3)))?,
            Some(Mark::Line { marked, .. }) => {
                area.draw(&PathElement::new([(x, y), (x + 34, y)], stroke(style)))?;
                if *marked {
                    draw_marker(area, style, at)?;
                }
            }
            _ => area.draw(&PathElement::new(
                [(x, y), (x + 34, y), (x + 27, y - 4), (x + 34, y), (x + 27, y + 4)],
                stroke(style),
            ))?,
        }
        area.draw(&Text::new(name.to_owned(), (x + 42, y - 8), text(14)))?;
        Ok(())
    }
}

impl Mark {
    fn style(&self) -> Option<usize> {
        match self {
            Self::Line { style, .. }
            | Self::Dots { style, .. }
            | Self::Crosses { style, .. }
            | Self::Arrows { style, .. } => Some(*style),
            Self::Shades { .. } => None,
        }
    }
}

/// The marker of a style: disc, triangle, cross, ring in turn.
fn draw_marker(area: &Area<'_>, style: usize, at: (i32, i32)) -> Outcome {
    match style % 4 {
        0 => area.draw(&Circle::new(at, 3, colour(style).filled()))?,
        1 => area.draw(&TriangleMarker::new(at, 5, colour(style).filled()))?,
        2 => area.draw(&Cross::new(at, 4, stroke(style)))?,
        _ => area.draw(&Circle::new(at, 4, stroke(style)))?,
    }
    Ok(())
}

impl Panel {
    fn draw(&self, area: &Area<'_>) -> Outcome {
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, text(15))
            .margin(8)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(self.x.coordinates(), self.y.coordinates())?;
        for mark in &self.marks {
            self.draw_mark(&mut chart, mark)?;
        }
        chart
            .configure_mesh()
            .disable_mesh()
            .x_desc(&self.x.name)
            .y_desc(&self.y.name)
            .x_label_formatter(&|place| self.x.label(*place))
            .y_label_formatter(&|place| self.y.label(*place))
            .label_style(text(12))
            .axis_desc_style(text(13))
            .draw()?;
        Ok(())
    }

    fn draw_mark(&self, chart: &mut Chart<'_, '_>, mark: &Mark) -> Outcome {
        let place = |&(x, y): &(f64, f64)| (self.x.place(x), self.y.place(y));
        let inside = |(x, y): &&(f64, f64)| {
            (self.x.range.start..=self.x.range.end).contains(x)
                && (self.y.range.start..=self.y.range.end).contains(y)
        };
        match mark {
            Mark::Line { points, style, marked } => {
                chart.draw_series(LineSeries::new(points.iter().map(place), stroke(*style)))?;
                if *marked {
                    draw_markers(chart, points.iter().map(place), *style)?;
                }
            }
            Mark::Dots { points, style, size } => {
                let dot = |at| Circle::new(at, *size, colour(*style).mix(0.5).filled());
                chart.draw_series(points.iter().filter(inside).map(place).map(dot))?;
            }
            Mark::Crosses { points, style } => {
                for point in points.iter().filter(inside).map(place) {
                    chart.draw_series([Cross::new(point, 6, WHITE.stroke_width(5))])?;
                    chart.draw_series([Cross::new(point, 6, colour(*style).stroke_width(3))])?;
                }
            }
            Mark::Arrows { arrows, style } => {
                for &((x, y), (dx, dy)) in arrows {
                    let tip = (x + dx, y + dy);
                    // A barb on either side of the tip, a third of the arrow long.
                    let barb = |side: f64| {
                        (tip.0 - 0.3 * dx + side * 0.18 * dy, tip.1 - 0.3 * dy - side * 0.18 * dx)
                    };
                    let path = [(x, y), tip, barb(1.0), tip, barb(-1.0)];
                    let thin = colour(*style).stroke_width(1);
                    chart.draw_series([PathElement::new(path.map(|at| place(&at)), thin)])?;
                }
            }
            Mark::Shades { columns, values } => self.draw_shades(chart, *columns, values)?,
        }
        Ok(())
    }

    /// White at 0, dark blue at 1: one scale of lightness, which survives printing. Equal neighbours in a row
    /// share a rectangle.
    fn draw_shades(&self, chart: &mut Chart<'_, '_>, columns: usize, values: &[f64]) -> Outcome {
        let rows = values.len() / columns;
        let along = |range: &Range<f64>, share: f64| range.start + share * (range.end - range.start);
        let shade = |value: f64| (value.clamp(0.0, 1.0) * SHADE_STEPS).round();
        for (row, values) in values.chunks(columns).enumerate() {
            let mut start = 0;
            for equal in values.chunk_by(|a, b| shade(*a) == shade(*b)) {
                let end = start + equal.len();
                let depth = shade(equal[0]) / SHADE_STEPS;
                if depth > 0.0 {
                    let corner = |column: usize, row: usize| {
                        let x = along(&self.x.range, column as f64 / columns as f64);
                        (x, along(&self.y.range, row as f64 / rows as f64))
                    };
                    let part = |dark: f64| (255.0 - depth * (255.0 - dark)).round() as u8;
                    let colour = RGBColor(part(8.0), part(48.0), part(107.0));
                    chart.draw_series([Rectangle::new(
                        [corner(start, row), corner(end, row + 1)],
                        colour.filled(),
                    )])?;
                }
                start = end;
            }
        }
        Ok(())
    }
}

/// The marker of a style at points of a chart, as [`draw_marker`] has it.
fn draw_markers(
    chart: &mut Chart<'_, '_>,
    points: impl Iterator<Item = (f64, f64)>,
    style: usize,
) -> Outcome {
    let filled = colour(style).filled();
    match style % 4 {
        0 => drop(chart.draw_series(points.map(|at| Circle::new(at, 3, filled)))?),
        1 => drop(chart.draw_series(points.map(|at| TriangleMarker::new(at, 5, filled)))?),
        2 => drop(chart.draw_series(points.map(|at| Cross::new(at, 4, stroke(style))))?),
        _ => drop(chart.draw_series(points.map(|at| Circle::new(at, 4, stroke(style))))?),
    }
    Ok(())
}

fn colour(style: usize) -> RGBColor {
    PALETTE[style % PALETTE.len()]
}

fn stroke(style: usize) -> ShapeStyle {
    colour(style).stroke_width(2)
}

fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&BLACK)
}
