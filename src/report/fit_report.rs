use std::fmt;

use super::warning::FitWarning;
#[cfg(feature = "serde")]
use crate::format::finite;
use crate::mixture::TriedCells;
use crate::process::NoiseLevel;

/// What a fit did and how well it went.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct FitReport {
    /// One entry a noise level, noisiest first.
    pub levels: Vec<LevelReport>,
    /// Number of rows n.
    pub n_rows: u64,
    /// Number of columns d.
    pub dim: usize,
    /// Number of active directions m, in which the law differs from a Gaussian of std σ₀.
    pub active_dim: usize,
    /// σ₀ in working units, as given or as estimated.
    #[cfg_attr(feature = "serde", serde(with = "finite"))]
    pub component_std: f64,
    /// The data's units in one working unit, where all columns share one scale. A saved report is without it: the
    /// model's units say it.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub working_unit: Option<f64>,
    /// Every number of cells that was tried, where the partitioner searched for one.
    pub cell_path: Vec<TriedCells>,
    /// The radial shape that all cells share, where held-out rows gave evidence of one: β of the factor
    /// (1 + βL(ρ))², L the first Laguerre polynomial of half the squared Mahalanobis radius ρ.
    #[cfg_attr(feature = "serde", serde(default, with = "finite"))]
    pub radial_shape: Option<f64>,
    /// Passes over all rows.
    pub passes: usize,
    /// What a reader should know before trusting the fit.
    pub warnings: Vec<FitWarning>,
}

/// One noise level of a fit.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelReport {
    /// Index of the level, from 0, noisiest first.
    pub index: usize,
    /// Number of levels of the schedule.
    pub n_levels: usize,
    /// The level, in working units.
    pub level: NoiseLevel,
    /// τ = √(σ₀² + s²/a²) in working units.
    pub bandwidth: f64,
    /// Number of cells k.
    pub n_cells: usize,
    /// Total degree of the polynomials; `None` where the cells' own denoiser was not corrected, as with a mixture.
    pub degree: Option<usize>,
    /// Held-out mean squared error of the centre denoiser, as a share of the centres' variance. A quiet
    /// level that keeps the polynomials of the level before has its figure; `None` where no level was regressed, as
    /// with a mixture.
    pub held_out_loss: Option<f64>,
    /// The same of the cells' own denoiser, without polynomials.
    pub mixture_loss: Option<f64>,
    /// Partitions that competed, the chosen one included.
    pub candidates: usize,
    /// What was computed.
    pub work: Work,
}

/// Work counters: they do not depend on the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Σ over candidates of rows × draws × features².
    pub gram_updates: u64,
    /// Linear systems solved.
    pub solves: u64,
}

impl fmt::Display for FitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} rows × {} columns, {} active directions, {} passes over the rows",
            self.n_rows, self.dim, self.active_dim, self.passes
        )?;
        let unit = self.working_unit.unwrap_or(1.0);
        let units = if self.working_unit.is_some() { "the data's" } else { "working" };
        let component_std = significant(self.component_std * unit);
        writeln!(f, "component std {component_std}; it and the bandwidths are in {units} units")?;
        if !self.cell_path.is_empty() {
            writeln!(
                f,
                "cells tried (average of the folds); the fewest within reach of the best are chosen"
            )?;
            writeln!(f, "cells  held-out log-likelihood  ± from the best")?;
        }
        for tried in &self.cell_path {
            let mark = if tried.chosen { "  chosen" } else { "" };
            writeln!(
                f,
                "{:5.1}  {:23.5}  {:15.5}{mark}",
                tried.cells, tried.log_likelihood, tried.std_error
            )?;
        }
        if let Some(beta) = self.radial_shape {
            writeln!(f, "all cells share a radial shape that is not a Gaussian's: β = {beta:.2}")?;
        }
        writeln!(f, "noise levels; degree '-': the cells' own score needs no polynomials")?;
        writeln!(f, "level  bandwidth  cells  degree  held-out loss  cells alone")?;
        for level in &self.levels {
            let degree = level.degree.map_or_else(|| "-".to_owned(), |d| d.to_string());
            let loss = |loss: Option<f64>| loss.map_or_else(|| "-".to_owned(), |loss| format!("{loss:.5}"));
            writeln!(
                f,
                "{:5}  {:>9}  {:5}  {:>6}  {:>13}  {:>11}",
                level.index + 1,
                significant(level.bandwidth * unit),
                level.n_cells,
                degree,
                loss(level.held_out_loss),
                loss(level.mixture_loss)
            )?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        Ok(())
    }
}

/// A length to four significant digits, whatever its units.
fn significant(length: f64) -> String {
    let magnitude = if length > 0.0 { length.log10().floor() } else { 0.0 };
    if (-3.0..=5.0).contains(&magnitude) {
        format!("{length:.*}", (3.0 - magnitude).max(0.0) as usize)
    } else {
        format!("{length:.3e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_show_four_digits_in_any_units() {
        let shown = [0.0, 0.0012345, 0.5, 6.92, 43.21098, 123456.0, 1.5e7, 2e-9].map(significant);
        assert_eq!(shown, ["0.000", "0.001234", "0.5000", "6.920", "43.21", "123456", "1.500e7", "2.000e-9"]);
    }

    #[test]
    fn a_report_speaks_in_the_data_s_units_where_columns_share_one() {
        let report = FitReport { component_std: 0.25, ..FitReport::default() };
        assert!(
            report.to_string().contains("component std 0.2500; it and the bandwidths are in working units")
        );
        let report = FitReport { working_unit: Some(100.0), ..report };
        assert!(
            report.to_string().contains("component std 25.00; it and the bandwidths are in the data's units")
        );
    }
}
