use rand::{Rng, RngExt};

use super::fit::Fit;
use super::model::DiffusionModel;
use super::observer::FitObserver;
use super::settings::DiffusionLearner;
use crate::error::{Error, Result};
use crate::passes::RowSource;
use crate::rows::Rows;

struct Silent;

impl FitObserver for Silent {}

/// The loop around a [`Fit`].
impl DiffusionLearner {
    /// Learns the law of `rows` (n × d), taking one seed from `rng`.
    ///
    /// Rows may be seen in part ([`Rows::with_empty_cells`]) or through noise ([`Rows::with_errors`]): what is learned is
    /// then the law of the whole, exact rows. A row of which nothing was seen counts for nothing.
    ///
    /// Rows that do not vary in every direction are learned on their affine hull, also where σ₀ is given: a
    /// column that is constant, or a combination of others, has no blur of its own. That takes more rows
    /// than columns; fewer are flat whatever their law.
    ///
    /// # Errors
    /// [`Error::NoRows`], [`Error::NoColumns`], [`Error::NotFinite`] for rows that cannot be learned,
    /// [`Error::InvalidErrorStd`], [`Error::NothingSeenOfColumn`] for rows that are not whole and exact,
    /// [`Error::NoVariation`] when all rows are equal, [`Error::InvalidSetting`] or
    /// [`Error::IncompatibleParts`] for settings that make no sense, among them noise of more than 10¹⁰
    /// standard deviations of the data, and errors of a user's own parts.
    pub fn fit<'a, R: Rng + ?Sized>(&self, rows: impl Into<Rows<'a>>, rng: &mut R) -> Result<DiffusionModel> {
        self.fit_observed(rows, rng, &mut Silent)
    }

    /// As [`fit`](Self::fit), watched by `observer`.
    ///
    /// # Errors
    /// As `fit`, and [`Error::Stopped`] when the observer says so.
    pub fn fit_observed<'a, R: Rng + ?Sized>(
        &self,
        rows: impl Into<Rows<'a>>,
        rng: &mut R,
        observer: &mut dyn FitObserver,
    ) -> Result<DiffusionModel> {
        let rows = rows.into();
        if rows.has_errors() || rows.is_incomplete() {
            return self.fit_imperfect(&rows, rng, observer);
        }
        self.fit_source_observed(&rows, rng, observer)
    }

    /// Learns the law of the whole and exact rows of `source`, which need not fit in memory, taking one seed from `rng`. The
    /// model has the bits of [`fit`](Self::fit) to the same rows.
    ///
    /// # Errors
    /// As `fit`; those of the source; [`Error::IncompatibleParts`] and [`Error::NotFinite`] for rows with errors or empty
    /// cells, which have to be in memory; [`Error::IncompletePass`] when a later pass finds another number of
    /// rows than the first, [`Error::ShapeMismatch`] when blocks differ in their number of columns.
    pub fn fit_source<S, R>(&self, source: &S, rng: &mut R) -> Result<DiffusionModel>
    where
        S: RowSource + ?Sized,
        R: Rng + ?Sized,
    {
        self.fit_source_observed(source, rng, &mut Silent)
    }

    /// As [`fit_source`](Self::fit_source), watched by `observer`.
    ///
    /// # Errors
    /// As `fit_source`, and [`Error::Stopped`] when the observer says so.
    pub fn fit_source_observed<S, R>(
        &self,
        source: &S,
        rng: &mut R,
        observer: &mut dyn FitObserver,
    ) -> Result<DiffusionModel>
    where
        S: RowSource + ?Sized,
        R: Rng + ?Sized,
    {
        let mut fit = self.begin(rng)?;
        let mut announced = false;
        while let Some(pass) = fit.next_pass() {
            let sums = pass.accumulate_source(source, 0)?;
            let completed = fit.absorb(sums)?.to_vec();
            if let (false, Some(levels)) = (announced, fit.levels()) {
                observer.started(levels);
                announced = true;
            }
            if observer.pass_done(fit.report().passes).is_break() {
                let levels = fit.levels().map_or(0, |levels| levels.len());
                return Err(Error::Stopped { done: fit.report().levels.len(), levels });
            }
            for level in &completed {
                if observer.level_done(level).is_break() {
                    return Err(Error::Stopped { done: level.index + 1, levels: level.n_levels });
                }
            }
        }
        observer.finished(fit.report());
        fit.finish()
    }

    /// Begins a fit whose passes the caller runs; takes one seed from `rng`.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for settings that make no sense.
    pub fn begin<R: Rng + ?Sized>(&self, rng: &mut R) -> Result<Fit> {
        self.validate()?;
        Ok(Fit::new(self.clone(), rng.random()))
    }
}
