use nalgebra::{DMatrix, DMatrixView};

use super::pass::Pass;
use super::statistics::{CHUNK, Statistics};
use crate::error::{Error, Result};
use crate::parallel::threads;
use crate::rows::Rows;

/// Rows that can be read again and again: the same rows in the same order, every time.
///
/// A fit reads all rows once a pass, in blocks, and keeps no more of them than a block, 2,048 rows a
/// thread and a subsample of at most 10,000. How rows are cut into blocks changes no bit of the fit. Matrices,
/// views, slices of arrays and [`Rows`] are sources;
/// [`check_row_source`](crate::check::check_row_source) checks one of your own.
///
/// # Examples
/// Rows that are computed when they are needed:
/// ```
/// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
/// use gmix_diffusion::rand_distr::{Distribution, StandardNormal};
/// use gmix_diffusion::{DiffusionLearner, Result, RowSource, Rows};
///
/// struct Simulation { rows: usize }
///
/// impl RowSource for Simulation {
///     fn read(&self, visit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()> {
///         let mut rng = StdRng::seed_from_u64(1);
///         (0..self.rows).try_for_each(|_| {
///             let row: [f64; 2] = std::array::from_fn(|_| StandardNormal.sample(&mut rng));
///             visit(Rows::from(&[row][..]))
///         })
///     }
/// }
///
/// let model = DiffusionLearner::new().fit_source(&Simulation { rows: 500 }, &mut StdRng::seed_from_u64(2))?;
/// assert_eq!((model.report().n_rows, model.report().dim), (500, 2));
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub trait RowSource {
    /// Hands all rows to `visit`, from the first to the last, in blocks (any number × d) of any sizes.
    ///
    /// # Errors
    /// The first error of `visit`, at once; and what keeps the source from reading, as
    /// [`Error::custom`].
    fn read(&self, visit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()>;
}

impl RowSource for Rows<'_> {
    fn read(&self, visit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()> {
        visit(*self)
    }
}

impl RowSource for DMatrix<f64> {
    fn read(&self, visit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()> {
        visit(self.into())
    }
}

impl RowSource for DMatrixView<'_, f64> {
    fn read(&self, visit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()> {
        visit((*self).into())
    }
}

impl<const D: usize> RowSource for [[f64; D]] {
    fn read(&self, visit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()> {
        visit(self.into())
    }
}

impl<const D: usize> RowSource for Vec<[f64; D]> {
    fn read(&self, visit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()> {
        self.as_slice().read(visit)
    }
}

impl Pass {
    /// Sums over all rows of `source`, of which the first has index `first_row` among all rows of the fit.
    ///
    /// # Errors
    /// Those of [`accumulate`](Self::accumulate) and of the source; [`Error::ShapeMismatch`] where its
    /// blocks differ in their number of columns.
    ///
    /// # Examples
    /// ```
    /// use gmix_diffusion::nalgebra::DMatrix;
    /// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
    /// use gmix_diffusion::DiffusionLearner;
    ///
    /// let rows = DMatrix::from_fn(300, 1, |i, _| (i % 17) as f64 + 0.01 * i as f64);
    /// let mut fit = DiffusionLearner::new().begin(&mut StdRng::seed_from_u64(1))?;
    /// while let Some(pass) = fit.next_pass() {
    ///     fit.absorb(pass.accumulate_source(&rows, 0)?)?;
    /// }
    /// assert_eq!(fit.finish()?.report().n_rows, 300);
    /// # Ok::<(), gmix_diffusion::Error>(())
    /// ```
    pub fn accumulate_source<S: RowSource + ?Sized>(&self, source: &S, first_row: u64) -> Result<Statistics> {
        let mut batches = Batches::new(self, first_row);
        source.read(&mut |block| batches.push(block))?;
        batches.finish()
    }
}

/// Gathers blocks into batches of as many whole chunks as there are threads.
struct Batches<'a> {
    pass: &'a Pass,
    sums: Statistics,
    /// Index of the next row.
    row: u64,
    batch: u64,
    dim: Option<usize>,
    /// Rows that wait for their batch, row after row, and their weights.
    values: Vec<f64>,
    weights: Vec<f64>,
    failed: bool,
}

impl<'a> Batches<'a> {
    fn new(pass: &'a Pass, first_row: u64) -> Self {
        Self {
            pass,
            sums: Statistics::default(),
            row: first_row,
            batch: CHUNK * threads() as u64,
            dim: None,
            values: Vec::new(),
            weights: Vec::new(),
            failed: false,
        }
    }

    fn push(&mut self, block: Rows<'_>) -> Result<()> {
        let pushed = self.push_rows(block);
        self.failed |= pushed.is_err();
        pushed
    }

    fn push_rows(&mut self, block: Rows<'_>) -> Result<()> {
        let expected = *self.dim.get_or_insert(block.dim());
        if expected == 0 {
            return Err(Error::NoColumns);
        }
        if block.dim() != expected {
            let what = "columns of a block of rows";
            return Err(Error::ShapeMismatch { what, expected, found: block.dim() });
        }
        block.check_exact()?;
        let mut start = 0;
        while start < block.n_rows() {
            let left = block.n_rows() - start;
            let room = (self.batch - self.row % self.batch) as usize;
            let count = if self.weights.is_empty() && room as u64 == self.batch && left >= room {
                // Whole batches are summed where they are.
                let count = left / room * room;
                self.sum(block.range(start, count), self.row)?;
                count
            } else {
                let count = left.min(room);
                block.range(start, count).append_to(&mut self.values, &mut self.weights);
                count
            };
            start += count;
            self.row += count as u64;
            if self.row.is_multiple_of(self.batch) {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn sum(&mut self, rows: Rows<'_>, first_row: u64) -> Result<()> {
        self.pass.merge(&mut self.sums, self.pass.accumulate(rows, first_row)?)
    }

    fn flush(&mut self) -> Result<()> {
        let (mut values, mut weights) = (std::mem::take(&mut self.values), std::mem::take(&mut self.weights));
        if !weights.is_empty() {
            let rows = Rows::from_row_slice(&values, self.dim.unwrap_or(0))?.with_weights(&weights)?;
            self.sum(rows, self.row - weights.len() as u64)?;
        }
        values.clear();
        weights.clear();
        (self.values, self.weights) = (values, weights);
        Ok(())
    }

    fn finish(mut self) -> Result<Statistics> {
        if self.failed {
            return Err(Error::custom("the source of rows went on after an error"));
        }
        self.flush()?;
        Ok(self.sums)
    }
}
