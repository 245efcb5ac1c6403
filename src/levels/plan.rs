use super::fitted::Fitted;
use crate::passes::RegressionTask;

/// What is to be done at a level.
#[derive(Debug, Clone)]
pub(super) enum Plan {
    /// Nothing: it keeps the polynomials of the level before, in so many cells.
    Reuse { cells: usize },
    /// Nothing more: it was fitted without a pass.
    Fitted(Box<Fitted>),
    /// A regression on all rows for each candidate.
    Regress(RegressionTask),
}
