//! Working coordinates: units of the columns, the affine hull of the rows, and the active directions.

mod column_scales;
mod component_std;
mod geometry;
mod hull;
mod spectrum;
mod units;
mod within_cells;

pub use units::Units;

pub(crate) use component_std::BlurPath;
pub(crate) use geometry::Geometry;
pub(crate) use within_cells::first_rows;
