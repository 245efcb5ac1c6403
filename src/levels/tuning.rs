//! The numbers that decide what is learned at a noise level.

pub(super) struct Tuning {
    /// Noise as a share of σ₀: below this a level keeps the coefficients of the level before. Selection by held-out
    /// loss turns erratic there, while the denoiser hardly changes.
    pub(super) reuse_below: f64,
    /// Cells of the level before: up to this many one cell stays a candidate beside those proposed.
    pub(super) few_cells: usize,
    /// Features of a level in proposed cells, at most, over all of them.
    pub(super) proposed_features: usize,
    /// Rows for each of these at least, or cells keep to constants.
    pub(super) rows_per_feature: usize,
    /// Noise draws a row and level in proposed cells: in one and two directions, and in more.
    pub(super) proposed_draws: [usize; 2],
    /// Rows at which proposed cells are tried before they are used.
    pub(super) rows_tried: usize,
    /// Levels with cells of their own at most: each takes a regression, and most a pass over all rows.
    pub(super) most_levels: usize,
}

pub(super) const TUNING: Tuning = Tuning {
    reuse_below: 0.4,
    few_cells: 6,
    proposed_features: 400,
    rows_per_feature: 5,
    proposed_draws: [8, 4],
    rows_tried: 64,
    most_levels: 2_000,
};
