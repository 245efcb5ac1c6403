//! Pictures of rows in groups.

use gmix_diffusion::nalgebra::DMatrix;
use plotters::prelude::*;

use super::view::{View, two_columns};
use super::{Area, DRAWN_ROWS, MARGIN, Outcome, PANEL, axes, canvas, drawn_rows, text, title};

/// Okabe and Ito's palette without its yellow, which is faint on white; from the eighth group on they come again.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    BLACK,
];
const IN_NONE: RGBColor = RGBColor(170, 170, 170);

/// Width of the key to the groups, in pixels, and how many of them it names.
const KEY: u32 = 110;
const NAMED: usize = 14;

fn colour(group: Option<usize>) -> RGBColor {
    group.map_or(IN_NONE, |group| COLOURS[group % COLOURS.len()])
}

/// A picture, as SVG, of `data` (n × d), each row in the colour of its group or grey in none; more than two columns in the
/// first two principal directions of the standardised data, one column over the number of the group.
pub(crate) fn groups_svg(
    column_names: &[String],
    data: &DMatrix<f64>,
    groups: &[Option<usize>],
) -> Outcome<String> {
    let wrong = data.nrows() == 0 || data.iter().any(|value| !value.is_finite());
    if wrong || column_names.len() != data.ncols() || groups.len() != data.nrows() {
        return Err("rows to draw need finite values, a name for each column and a group for each row".into());
    }
    let (names, plane) = match data.ncols() {
        1 => {
            let group = |row: usize| groups[row].map_or(-1.0, |group| group as f64);
            let plane = DMatrix::from_fn(data.nrows(), 2, |i, j| if j == 0 { data[i] } else { group(i) });
            (vec![column_names[0].clone(), "cluster".into()], plane)
        }
        2 => (column_names.to_vec(), data.clone()),
        _ => two_columns(data),
    };
    let mut svg = String::new();
    draw(&mut svg, &names, &plane, groups)?;
    Ok(svg)
}

fn draw(svg: &mut String, names: &[String], plane: &DMatrix<f64>, groups: &[Option<usize>]) -> Outcome {
    let view = View::of(plane, MARGIN);
    let area = canvas(svg, 1, KEY)?;
    let (panel, key) = area.split_horizontally(PANEL);
    let ranges = [view.axis(0), view.axis(1)];
    let mut chart = axes(&panel, &title("data", plane, &view), [&names[0], &names[1]], ranges)?;
    chart.draw_series(drawn_rows(plane.nrows(), DRAWN_ROWS).map(|row| {
        Circle::new((plane[(row, 0)], plane[(row, 1)]), 2, colour(groups[row]).mix(0.6).filled())
    }))?;
    draw_key(&key, groups)?;
    area.present()?;
    Ok(())
}

fn draw_key(area: &Area<'_>, groups: &[Option<usize>]) -> Outcome {
    let count = groups.iter().flatten().max().map_or(0, |largest| largest + 1);
    let rows = |group: Option<usize>| groups.iter().filter(|own| **own == group).count();
    let mut lines: Vec<(String, RGBColor)> = (0..count.min(NAMED))
        .map(|group| (format!("{group} ({})", rows(Some(group))), colour(Some(group))))
        .collect();
    if count > NAMED {
        lines.push((format!("… to {}", count - 1), WHITE));
    }
    if rows(None) > 0 {
        lines.push((format!("none ({})", rows(None)), IN_NONE));
    }
    let (left, top, height) = (2, 50, 20);
    area.draw(&Text::new("cluster (rows)", (left, top - 22), text(13)))?;
    for (index, (line, colour)) in lines.into_iter().enumerate() {
        let y = top + height * index as i32;
        area.draw(&Circle::new((left + 6, y + 7), 5, colour.filled()))?;
        area.draw(&Text::new(line, (left + 18, y), text(13)))?;
    }
    Ok(())
}
