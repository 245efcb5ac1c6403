//! What a fit to a table did.

use std::fmt;

/// Something that was tried, and what it was worth.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Choice {
    /// What was tried.
    pub name: String,
    /// By how much it raised the mean log-probability of held-out rows, in nats a row.
    pub gain: f64,
    /// The standard error of that.
    pub std_error: f64,
    /// Whether it was taken.
    pub taken: bool,
}

/// What a fit to a table did and how well it went.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct TableReport {
    /// Number of rows.
    pub rows: usize,
    /// Number of cells.
    pub cells: usize,
    /// Mean log-probability of held-out rows under one fit to all labels, in the measure of the model; `None` where
    /// nothing was to be chosen.
    pub held_out: Option<f64>,
    /// What was tried, in order, each beside the best before.
    pub choices: Vec<Choice>,
    /// The name of each column and the scale on which it is learned.
    pub scales: Vec<(String, String)>,
}

impl fmt::Display for TableReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} rows × {} columns, {} cells", self.rows, self.scales.len(), self.cells)?;
        for Choice { name, gain, std_error, taken } in &self.choices {
            let taken = if *taken { "taken" } else { "left" };
            writeln!(f, "{name}: {gain:+.3} ± {std_error:.3} nats a held-out row, {taken}")?;
        }
        let scales: Vec<String> = self.scales.iter().map(|(name, scale)| format!("{name} {scale}")).collect();
        write!(f, "scales: {}", scales.join(", "))
    }
}
