use std::fmt;

#[cfg(feature = "serde")]
use crate::format::finite;

/// A sign that a fit may be poor, with its figures.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case", deny_unknown_fields)
)]
pub enum FitWarning {
    /// A cell has few rows for the coefficients it carries.
    FewRowsInCell {
        /// Index of the level.
        level: usize,
        /// Index of the cell.
        cell: usize,
        /// Rows in the cell, as a sum of responsibilities.
        #[cfg_attr(feature = "serde", serde(with = "finite"))]
        rows: f64,
        /// Coefficients a coordinate.
        features: usize,
    },
    /// Many rows lie far from the centres of all cells of the quietest level.
    RowsFarFromCentres {
        /// Share of the rows.
        #[cfg_attr(feature = "serde", serde(with = "finite"))]
        share: f64,
        /// Share expected of a fit whose component std is right.
        #[cfg_attr(feature = "serde", serde(with = "finite"))]
        expected: f64,
    },
    /// The centre denoiser changes a lot between two neighbouring levels.
    CoarseSchedule {
        /// Index of the noisier of the two.
        level: usize,
        /// Root mean square change, in bandwidths.
        #[cfg_attr(feature = "serde", serde(with = "finite"))]
        change: f64,
    },
    /// The noisiest level is not noisy enough for its law to be Gaussian.
    NoisiestNotGaussian {
        /// Noise-to-signal ratio of that level over the data's largest standard deviation.
        #[cfg_attr(feature = "serde", serde(with = "finite"))]
        ratio: f64,
    },
    /// The quietest level still blurs the data.
    QuietestAboveComponent {
        /// Bandwidth of that level, in working units.
        #[cfg_attr(feature = "serde", serde(with = "finite"))]
        bandwidth: f64,
        /// σ₀, in working units.
        #[cfg_attr(feature = "serde", serde(with = "finite"))]
        component_std: f64,
    },
    /// The given component std is larger than the smallest spread of the data, or than the blur that their rows show
    /// where they do not repeat each other.
    ComponentStdTooLarge {
        /// σ₀, in working units.
        #[cfg_attr(feature = "serde", serde(with = "finite"))]
        component_std: f64,
        /// Smallest standard deviation over all directions, or that of the blur, in working units.
        #[cfg_attr(feature = "serde", serde(with = "finite"))]
        smallest_std: f64,
    },
    /// Values far outside what a Gaussian of the data's spread would show.
    HeavyTails {
        /// Largest distance from the mean, in standard deviations.
        #[cfg_attr(feature = "serde", serde(with = "finite"))]
        farthest: f64,
    },
    /// Many rows are equal to each other.
    RepeatedRows {
        /// Share of rows that repeat another one.
        #[cfg_attr(feature = "serde", serde(with = "finite"))]
        share: f64,
    },
    /// A direction in which the data do not vary. Where there are more rows than columns the law is
    /// that on their affine hull.
    DegenerateDirection {
        /// Standard deviation in that direction, as a share of the largest one.
        #[cfg_attr(feature = "serde", serde(with = "finite"))]
        relative_std: f64,
    },
    /// A kernel density of the rows is clearly ahead of the mixture that was found, on rows that neither has seen: there
    /// is something finer in them that the search for cells has missed.
    BehindWitness {
        /// By so many nats a row.
        lead: f64,
    },
    /// Rows of which no cell was seen: they counted for nothing.
    NothingSeen {
        /// Number of such rows.
        rows: u64,
    },
    /// The errors of the values are much wider than the smallest cell: what is finer than they are cannot be learned.
    WideErrors {
        /// Half of the errors of a column are wider than so many standard deviations of the smallest cell there.
        #[cfg_attr(feature = "serde", serde(with = "finite"))]
        ratio: f64,
    },
    /// Fewer than ten rows, or hardly more than columns: too few to tell a law from. What is learned may be
    /// little more than the rows themselves, or one Gaussian.
    FewRows {
        /// Number of rows of positive weight.
        rows: u64,
        /// Number of columns.
        dim: usize,
    },
}

impl fmt::Display for FitWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FewRowsInCell { level, cell, rows, features } => write!(
                f,
                "level {}, cell {}: {rows:.0} rows for {features} coefficients a coordinate",
                level + 1,
                cell + 1
            ),
            Self::RowsFarFromCentres { share, expected } => write!(
                f,
                "{:.1} % of the rows are far from every centre, {:.1} % expected: the component std may be too small or the fit lost a cluster",
                100.0 * share,
                100.0 * expected
            ),
            Self::CoarseSchedule { level, change } => write!(
                f,
                "the denoiser moves by {change:.2} bandwidths after level {}: use more noise levels",
                level + 1
            ),
            Self::NoisiestNotGaussian { ratio } => write!(
                f,
                "the noisiest level has {ratio:.2} times the data's standard deviation as noise: start noisier"
            ),
            Self::QuietestAboveComponent { bandwidth, component_std } => write!(
                f,
                "the quietest level still blurs the data: the component std is {:.2} of its bandwidth",
                component_std / bandwidth
            ),
            Self::ComponentStdTooLarge { component_std, smallest_std } => write!(
                f,
                "the data vary in some direction, or show detail, by only {:.3} of the component std",
                smallest_std / component_std
            ),
            Self::HeavyTails { farthest } => {
                write!(f, "a row lies {farthest:.1} standard deviations from the mean: heavy tails")
            }
            Self::RepeatedRows { share } => {
                write!(
                    f,
                    "{:.1} % of the rows repeat another row, as rounded or counted values do: the density smooths over them",
                    100.0 * share
                )
            }
            Self::DegenerateDirection { relative_std } => write!(
                f,
                "the data hardly vary in one direction ({relative_std:.1e} of the largest standard deviation)"
            ),
            Self::BehindWitness { lead } => write!(
                f,
                "a kernel density is ahead of the cells found by {lead:.2} nats a row: the search missed something finer"
            ),
            Self::NothingSeen { rows } => {
                write!(f, "{rows} rows have no value at all and counted for nothing")
            }
            Self::WideErrors { ratio } => write!(
                f,
                "the errors are {ratio:.1} times as wide as the smallest cell: what is finer than they are is not learned"
            ),
            Self::FewRows { rows, dim } => {
                write!(f, "{rows} rows in {dim} dimensions are too few to tell their law from themselves")
            }
        }
    }
}
