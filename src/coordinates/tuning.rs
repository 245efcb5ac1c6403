//! The numbers that decide in which coordinates a fit works.

/// Numbers that results depend on; bounds of what is possible stand where they are checked.
pub(super) struct Tuning {
    /// Share of rows that repeat another one; a larger one is not a continuous law's.
    pub(super) repeated: f64,
    /// So many values, or that share of all different ones, may come again and again beside values that do not.
    pub(super) atoms: usize,
    /// With a given σ₀ a direction is degenerate only if its standard deviation is less than this share of σ₀.
    pub(super) degenerate_below_component: f64,
    /// Distance from the affine hull of the rows, as a share of the position: points nearer than this are on it.
    pub(super) on_hull: f64,
    /// A column that does not vary has its mean, up to this share of it.
    pub(super) constant: f64,
    /// Standard deviations of a χ² statistic that count as chance where columns are compared.
    pub(super) columns_chance: f64,
    /// Rows that are shared between cells tell less of a standard deviation: its variance is this much larger.
    pub(super) columns_lenience: f64,
    /// Rows in which cells are sought for the columns' widths, at most.
    pub(super) width_rows: usize,
    /// Folds of these: widths need no average of many mixtures.
    pub(super) width_folds: usize,
    /// Principal directions of these at most, those of largest variance.
    pub(super) width_directions: usize,
    /// EM steps on the whole subsample, after which widths are read off.
    pub(super) width_steps: usize,
    /// Effective rows: with fewer the units that are given have to be worse to be left.
    pub(super) width_few_rows: f64,
    /// Few rows do not keep units in which one column is wider than another within cells by this factor: long
    /// cells are easily missed.
    pub(super) width_most_unequal: f64,
    /// Share of a column's standard deviation: a column of less than it within cells repeats a few values.
    pub(super) width_smallest: f64,
    /// Standard errors by which a cumulant may be wrong.
    pub(super) cumulant_errors: f64,
    /// States without a better held-out likelihood after which the search for σ₀ ends.
    pub(super) blur_patience: usize,
    /// Cells of a state of it; more are not followed.
    pub(super) blur_cells: usize,
}

pub(super) const TUNING: Tuning = Tuning {
    repeated: 0.01,
    atoms: 3,
    degenerate_below_component: 1e-3,
    on_hull: 1e-5,
    constant: 1e-9,
    columns_chance: 2.0,
    columns_lenience: 2.0,
    width_rows: 2_000,
    width_folds: 3,
    width_directions: 10,
    width_steps: 4,
    width_few_rows: 1_000.0,
    width_most_unequal: 3.0,
    width_smallest: 1e-6,
    cumulant_errors: 2.0,
    blur_patience: 4,
    blur_cells: 200,
};
