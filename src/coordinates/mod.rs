//! Working coordinates: units of the columns, the affine hull of the rows, and the active directions.

mod active;
mod column_scales;
mod columns;
mod component_std;
mod geometry;
mod hull;
mod in_units;
mod principal;
mod scaled;
mod spectrum;
mod tuning;
mod units;
mod within_cells;

pub use units::Units;

pub(crate) use active::ActiveRows;
pub(crate) use columns::Columns;
pub(crate) use component_std::BlurPath;
pub(crate) use geometry::Geometry;
pub(crate) use in_units::InUnits;
pub(crate) use principal::Principal;
pub(crate) use scaled::Scaled;
pub(crate) use spectrum::are_few;
pub(crate) use within_cells::first_rows;
