//! The numbers that decide what is learned at a noise level.

pub(super) struct Tuning {
    /// Noise as a share of σ₀: below this a level keeps the coefficients of the level before. Selection by held-out
    /// loss turns erratic there, while the denoiser hardly changes.
    pub(super) reuse_below: f64,
    /// Features of a level in known cells, at most.
    pub(super) known_features: usize,
    /// Degree: polynomials of a lower one are what the known cells' own means and covariances are.
    pub(super) known_least_degree: usize,
    /// Noise draws a row and level in known cells.
    pub(super) known_draws: usize,
    /// Rows of a sample on which the polynomials of a level are tried before they are fitted to all rows, which
    /// is spared where they promise nothing. A sample of more rows than it holds is tried as a whole.
    pub(super) tried_rows: usize,
    /// Standard errors by which polynomials have to lower the held-out loss of a level. With five folds a level
    /// whose base is exact passes in 2 % of cases (Student's t with four degrees of freedom).
    pub(super) acceptance: f64,
    /// Cells of the level before: up to this many one cell stays a candidate beside those proposed.
    pub(super) few_cells: usize,
    /// Features of a level in proposed cells, at most, over all of them.
    pub(super) proposed_features: usize,
    /// Rows for each of these at least, or cells keep to constants.
    pub(super) rows_per_feature: usize,
    /// Noise draws a row and level in proposed cells: in one and two directions, and in more.
    pub(super) proposed_draws: [usize; 2],
}

pub(super) const TUNING: Tuning = Tuning {
    reuse_below: 0.4,
    known_features: 80,
    known_least_degree: 2,
    known_draws: 2,
    tried_rows: 2_500,
    acceptance: 3.0,
    few_cells: 6,
    proposed_features: 400,
    rows_per_feature: 5,
    proposed_draws: [8, 4],
};
