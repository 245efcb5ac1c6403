use super::fitted::Fitted;
use crate::passes::RegressionTask;

/// What is to be done at a level.
#[derive(Debug, Clone)]
pub(super) enum Plan {
    /// Nothing: it keeps the polynomials of the level before, if there are any, in so many cells.
    Reuse { cells: usize },
    /// Nothing more: it was fitted without a pass, with so many updates of Gram matrices.
    Fitted(Box<Fitted>, u64),
    /// A regression on all rows for each candidate, which were `tried` on some rows before.
    Regress { task: RegressionTask, tried: u64 },
}
