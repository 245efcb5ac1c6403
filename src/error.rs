//! The crate's one error type.

/// Shorthand for a result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, with the numbers that say where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are no rows to learn from.
    #[error("there are no rows")]
    NoRows,
    /// All rows are equal: there is nothing to learn.
    #[error("all rows are equal")]
    NoVariation,
    /// The rows have no columns.
    #[error("the rows have no columns")]
    NoColumns,
    /// A value is NaN or infinite.
    #[error("row {row}, column {column}: {value} is not a finite number")]
    NotFinite {
        /// Index of the row, from 0.
        row: usize,
        /// Index of the column, from 0.
        column: usize,
        /// The value found there.
        value: f64,
    },
    /// The standard deviation of the error of a value is negative, NaN or too large.
    #[error("row {row}, column {column}: {std} is no standard deviation of an error")]
    InvalidErrorStd {
        /// Index of the row, from 0.
        row: usize,
        /// Index of the column, from 0.
        column: usize,
        /// What was given as the standard deviation.
        std: f64,
    },
    /// All cells of a column are empty.
    #[error("column {column}: no row has a value there")]
    NothingSeenOfColumn {
        /// Index of the column, from 0.
        column: usize,
    },
    /// Values or weights are so large that a variance is not a finite number.
    #[error("column {column}: values or weights are too large for a finite variance")]
    Overflow {
        /// Index of the column, from 0.
        column: usize,
    },
    /// A row weight is negative, NaN or infinite.
    #[error("row {row}: weight {weight} is not finite and non-negative")]
    InvalidWeight {
        /// Index of the row, from 0.
        row: usize,
        /// The weight found there.
        weight: f64,
    },
    /// Two shapes that must agree do not.
    #[error("{what}: expected {expected}, found {found}")]
    ShapeMismatch {
        /// Which size disagrees.
        what: &'static str,
        /// The size that was needed.
        expected: usize,
        /// The size that was given.
        found: usize,
    },
    /// Signal or noise of a level is out of range.
    #[error(
        "noise level: signal {signal} must be positive and finite, noise {noise} non-negative and finite"
    )]
    InvalidNoiseLevel {
        /// The signal `a` of Y = aX + sZ.
        signal: f64,
        /// The noise `s` of Y = aX + sZ.
        noise: f64,
    },
    /// A list of noise levels is empty.
    #[error("there are no noise levels")]
    NoLevels,
    /// Noise levels must fall strictly in noise-to-signal ratio.
    #[error("noise level {index}: ratio {ratio} is not below the previous one, {previous}")]
    LevelsNotDecreasing {
        /// Index of the offending level, from 0.
        index: usize,
        /// Its noise-to-signal ratio.
        ratio: f64,
        /// The ratio of the level before it.
        previous: f64,
    },
    /// A score was asked for at a noise level outside the range it knows.
    #[error("noise to signal {found} is outside the fitted range, from {quietest} to {noisiest}")]
    LevelOutOfRange {
        /// Noise to signal of the level asked for.
        found: f64,
        /// That of the quietest level known.
        quietest: f64,
        /// That of the noisiest level known.
        noisiest: f64,
    },
    /// A setting has a value that makes no sense.
    #[error("{name} is {value}, but must be {requirement}")]
    InvalidSetting {
        /// Name of the setting.
        name: &'static str,
        /// The value given.
        value: f64,
        /// What it has to satisfy.
        requirement: &'static str,
    },
    /// Parts were composed in a way the mathematics forbids.
    #[error("{first} cannot be combined with {second}: {reason}")]
    IncompatibleParts {
        /// One part.
        first: &'static str,
        /// The other part.
        second: &'static str,
        /// Why they exclude each other.
        reason: &'static str,
    },
    /// A pass was absorbed before all its rows were summed, or with rows of another fit.
    #[error("pass {pass}: sums cover {found} rows, expected {expected}")]
    IncompletePass {
        /// Number of the pass, from 0.
        pass: usize,
        /// Rows that the pass has to cover.
        expected: u64,
        /// Rows that the sums cover.
        found: u64,
    },
    /// Rows were to be summed twice in one pass.
    #[error("pass {pass}: some of the rows {first} to {end} are summed already")]
    OverlappingRows {
        /// Number of the pass, from 0.
        pass: usize,
        /// Index of the first row of the piece that overlaps.
        first: u64,
        /// Index after its last row.
        end: u64,
    },
    /// Sums of one pass were given to another.
    #[error("sums of pass {foreign} were given to pass {pass}")]
    ForeignStatistics {
        /// The pass that was under way.
        pass: usize,
        /// The pass that the sums belong to.
        foreign: usize,
    },
    /// Sums of another fit, one with another seed, were given to a pass.
    #[error("sums of another fit were given to pass {pass}")]
    ForeignFit {
        /// The pass that was under way.
        pass: usize,
    },
    /// The rows have different scales in different columns, so isotropic noise in their units is not
    /// isotropic in the units of the learned score.
    #[error(
        "column scales differ (from {smallest} to {largest}), so the score of noised rows is only known in working units: use `score_model()` and `units()`"
    )]
    AnisotropicUnits {
        /// The smallest scale of a column.
        smallest: f64,
        /// The largest scale of a column.
        largest: f64,
    },
    /// A schedule sets noises in the data's units, and the columns have scales of their own.
    #[error(
        "the schedule sets noises in the units of the data, whose columns have scales of their own: leave the ends of the schedule to the data, or bring the columns to one unit"
    )]
    NoUnitOfNoise,
    /// An observer stopped the fit.
    #[error("stopped by the observer after {done} of {levels} noise levels")]
    Stopped {
        /// Levels completed.
        done: usize,
        /// Levels planned; 0 before they are chosen.
        levels: usize,
    },
    /// An observation names a column that the law does not have.
    #[error("the law has no column {column} (it has {columns} columns)")]
    NoSuchColumn {
        /// The column asked for, by its index among those learned.
        column: usize,
        /// Number of columns of the law.
        columns: usize,
    },
    /// A column is named twice.
    #[error("column {column} is named twice")]
    ColumnTwice {
        /// The column.
        column: usize,
    },
    /// An observation of nothing, or a question about no column.
    #[error("no column is named")]
    NoColumnNamed,
    /// What was seen leaves nothing to ask about.
    #[error("what was seen leaves no column open")]
    NothingLeft,
    /// Values lie off the affine hull of the learned rows, which do not vary in every direction.
    #[error(
        "row {row}: the values seen lie off the affine hull of the learned rows: off by {distance} of a column's unit, where {allowed} is rounding"
    )]
    OffHull {
        /// Index of the row, from 0.
        row: usize,
        /// Largest distance in a column, in working units.
        distance: f64,
        /// The largest distance that counts as on the hull.
        allowed: f64,
    },
    /// A question that only a law in closed form answers was asked of another.
    #[error("the law has no closed form ({reason})")]
    NoClosedForm {
        /// Why it has none, and what to do.
        reason: &'static str,
    },
    /// A model that is known by its score alone was asked for exact draws.
    #[error("the model has a score but no exact draws: sample it by a reverse diffusion, such as `Ddpm`")]
    NoExactDraws,
    /// A user's implementation failed a checker of `check`.
    #[error("{property}: row {row}: expected {expected}, found {found} (tolerance {tolerance})")]
    CheckFailed {
        /// The property that does not hold.
        property: &'static str,
        /// The row or index where it fails.
        row: usize,
        /// The value it should have.
        expected: f64,
        /// The value it has.
        found: f64,
        /// The difference that would have been accepted.
        tolerance: f64,
    },
    /// A matrix that must be positive definite is not.
    #[error("{what} {index} is not symmetric positive definite")]
    NotPositiveDefinite {
        /// What the matrix is.
        what: &'static str,
        /// Which one of several, from 0.
        index: usize,
    },
    /// What is said of a column makes no sense, or is not what a table has.
    #[error("column: {what}")]
    InvalidColumn {
        /// What is wrong.
        what: String,
    },
    /// A value is none that its column can have.
    #[error("row {row}, column {name}: {value} cannot be, since the column is \"{column}\"")]
    OutsideColumn {
        /// Index of the row, from 0.
        row: usize,
        /// Name of the column.
        name: Box<str>,
        /// The value found there.
        value: Box<str>,
        /// What the column is said or was found to be.
        column: Box<str>,
    },
    /// A saved model is not one, or is damaged.
    #[error("saved model: {what}")]
    InvalidSavedModel {
        /// What is wrong with it.
        what: String,
    },
    /// An error of a user's own part.
    #[error(transparent)]
    Custom(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Wraps an error of a user's own schedule, partitioner, sampler or score model.
    ///
    /// # Examples
    /// ```
    /// let error = gmix_diffusion::Error::custom("the sensor is offline");
    /// assert_eq!(error.to_string(), "the sensor is offline");
    /// ```
    pub fn custom(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Custom(error.into())
    }
}
