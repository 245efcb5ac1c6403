//! What a column can be, said or found.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Where the values of a column can be.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Support {
    /// Anywhere.
    Real,
    /// At or above a bound.
    Above(f64),
    /// At or below a bound.
    Below(f64),
    /// Between two bounds.
    Between(f64, f64),
    /// On a circle: values that differ by the period are the same.
    Circle(f64),
}

/// The scale on which a column is learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Warp {
    /// The column's own, straightened near a bound alone.
    Plain,
    /// The family in which the column is most like a Gaussian: logarithm, logit, inverse hyperbolic sine, or none.
    Family,
    /// Normal scores: the column's own distribution function, smoothed, with the tails of its family beyond the rows.
    Scores,
}

/// What a column is: numbers, with a support, a resolution and values that repeat; or labels.
///
/// Written as text, as [`fmt::Display`] does and [`FromStr`] reads: `above 0, step 0.01`, `between 0 100, step 1`,
/// `real, atoms 0 999`, `values 4 6 8`, `circle 360`, `labels`, each with `warp plain`, `warp family` or `warp scores`
/// where that is not to be chosen.
///
/// # Examples
/// ```
/// use gmix_diffusion::{Column, Support};
///
/// let price = Column::above(0.0).with_step(0.01);
/// assert_eq!(price.to_string(), "above 0, step 0.01");
/// assert_eq!("above 0, step 0.01".parse::<Column>()?, price);
/// assert_eq!(price.support(), Some(Support::Above(0.0)));
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Column {
    pub(super) kind: Kind,
    pub(super) warp: Option<Warp>,
}

#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub(super) enum Kind {
    Numbers {
        support: Support,
        step: Option<f64>,
        /// Sorted.
        atoms: Vec<f64>,
    },
    /// No other values than these, sorted.
    Values(Vec<f64>),
    /// Sorted; those of the rows learned where none are said.
    Labels(Vec<String>),
}

impl Column {
    fn numbers(support: Support) -> Self {
        Self { kind: Kind::Numbers { support, step: None, atoms: Vec::new() }, warp: None }
    }

    /// Any real numbers.
    pub fn real() -> Self {
        Self::numbers(Support::Real)
    }

    /// Numbers of at least `bound`.
    pub fn above(bound: f64) -> Self {
        Self::numbers(Support::Above(bound))
    }

    /// Numbers of at most `bound`.
    pub fn below(bound: f64) -> Self {
        Self::numbers(Support::Below(bound))
    }

    /// Numbers from `low` to `high`.
    pub fn between(low: f64, high: f64) -> Self {
        Self::numbers(Support::Between(low, high))
    }

    /// Angles, hours of the day: numbers of which those that differ by `period` are the same. Draws are from 0 to `period`.
    pub fn circle(period: f64) -> Self {
        Self::numbers(Support::Circle(period))
    }

    /// Numbers of which no others than these are possible.
    pub fn values(values: &[f64]) -> Self {
        Self { kind: Kind::Values(sorted(values)), warp: None }
    }

    /// Labels, without an order; those that the rows have where `labels` is empty.
    pub fn labels(labels: &[&str]) -> Self {
        let mut labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        labels.sort();
        labels.dedup();
        Self { kind: Kind::Labels(labels), warp: None }
    }

    /// Rounded to multiples of `step`. A column of labels or of given values has no step.
    pub fn with_step(mut self, step: f64) -> Self {
        if let Kind::Numbers { step: own, .. } = &mut self.kind {
            *own = Some(step);
        }
        self
    }

    /// With values that have probabilities of their own, beyond what rounding explains.
    pub fn with_atoms(mut self, atoms: &[f64]) -> Self {
        if let Kind::Numbers { atoms: own, .. } = &mut self.kind {
            *own = sorted(atoms);
        }
        self
    }

    /// Learned on this scale, which is chosen by held-out likelihood unless it is said.
    pub fn with_warp(mut self, warp: Warp) -> Self {
        self.warp = Some(warp);
        self
    }

    /// Where numbers can be; `None` for labels.
    pub fn support(&self) -> Option<Support> {
        match &self.kind {
            Kind::Numbers { support, .. } => Some(*support),
            Kind::Values(values) => Some(Support::Between(values.first().copied()?, values.last().copied()?)),
            Kind::Labels(_) => None,
        }
    }

    /// The step of rounding.
    pub fn step(&self) -> Option<f64> {
        match &self.kind {
            Kind::Numbers { step, .. } => *step,
            _ => None,
        }
    }

    /// Values with probabilities of their own; all where there are no others.
    pub fn atoms(&self) -> &[f64] {
        match &self.kind {
            Kind::Numbers { atoms, .. } | Kind::Values(atoms) => atoms,
            Kind::Labels(_) => &[],
        }
    }

    /// The scale it is said to be learned on.
    pub fn warp(&self) -> Option<Warp> {
        self.warp
    }

    /// Whether these are labels.
    pub fn is_labels(&self) -> bool {
        matches!(self.kind, Kind::Labels(_))
    }

    /// Whether nothing but [`atoms`](Self::atoms) is possible.
    pub fn is_values(&self) -> bool {
        matches!(self.kind, Kind::Values(_))
    }

    /// The labels, sorted.
    pub(crate) fn label_names(&self) -> &[String] {
        match &self.kind {
            Kind::Labels(labels) => labels,
            _ => &[],
        }
    }

    /// Whether these are real numbers that may be learned as they are.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_real() && matches!(self.warp, None | Some(Warp::Plain))
    }

    /// Whether these are real numbers: no bound, no step, no atoms.
    pub fn is_real(&self) -> bool {
        let Kind::Numbers { support: Support::Real, step: None, atoms } = &self.kind else { return false };
        atoms.is_empty()
    }

    /// # Errors
    /// [`Error::InvalidColumn`] for what no column can be.
    pub(crate) fn check(&self) -> Result<()> {
        let fail = |what: &str| Err(Error::InvalidColumn { what: format!("\"{self}\": {what}") });
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        match &self.kind {
            Kind::Numbers { support, step, atoms } => {
                let fits = match *support {
                    Support::Real => true,
                    Support::Above(bound) | Support::Below(bound) => bound.is_finite(),
                    Support::Between(low, high) => low < high && (high - low).is_finite(),
                    Support::Circle(period) => period > 0.0 && period.is_finite(),
                };
                if !fits {
                    return fail("its bounds are none");
                }
                if step.is_some_and(|step| !(step > 0.0 && step.is_finite())) {
                    return fail("a step is positive and finite");
                }
                if !finite(atoms) {
                    return fail("atoms are finite numbers");
                }
                if matches!(support, Support::Circle(_)) && !atoms.is_empty() {
                    return fail("a circle has no atoms");
                }
                Ok(())
            }
            Kind::Values(values) if values.is_empty() || !finite(values) => {
                fail("its values are finite numbers, at least one")
            }
            _ => Ok(()),
        }
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values: Vec<f64> = values.iter().map(|value| value + 0.0).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

fn list(f: &mut fmt::Formatter<'_>, values: &[f64]) -> fmt::Result {
    values.iter().try_for_each(|value| write!(f, " {value}"))
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Numbers { support, step, atoms } => {
                match support {
                    Support::Real => write!(f, "real"),
                    Support::Above(bound) => write!(f, "above {bound}"),
                    Support::Below(bound) => write!(f, "below {bound}"),
                    Support::Between(low, high) => write!(f, "between {low} {high}"),
                    Support::Circle(period) => write!(f, "circle {period}"),
                }?;
                if let Some(step) = step {
                    write!(f, ", step {step}")?;
                }
                if !atoms.is_empty() {
                    write!(f, ", atoms")?;
                    list(f, atoms)?;
                }
            }
            Kind::Values(values) => {
                write!(f, "values")?;
                list(f, values)?;
            }
            Kind::Labels(labels) => {
                write!(f, "labels")?;
                labels.iter().try_for_each(|label| write!(f, " {label}"))?;
            }
        }
        match self.warp {
            None => Ok(()),
            Some(Warp::Plain) => write!(f, ", warp plain"),
            Some(Warp::Family) => write!(f, ", warp family"),
            Some(Warp::Scores) => write!(f, ", warp scores"),
        }
    }
}

impl FromStr for Column {
    type Err = Error;

    /// # Errors
    /// [`Error::InvalidColumn`] with the words that were not understood.
    fn from_str(text: &str) -> Result<Self> {
        let not = |part: &str| Error::InvalidColumn { what: format!("\"{}\" in \"{text}\"", part.trim()) };
        let mut column = Self::real();
        for (place, part) in text.split(',').enumerate() {
            let mut words = part.split_whitespace();
            let name = words.next().ok_or_else(|| not(part))?;
            let words: Vec<&str> = words.collect();
            let numbers: Option<Vec<f64>> = words.iter().map(|word| word.parse().ok()).collect();
            let numbers = numbers.unwrap_or_default();
            let is_list = numbers.len() == words.len() && !words.is_empty();
            column = match (name, &numbers[..]) {
                ("real", []) if place == 0 && words.is_empty() => Self::real(),
                ("above", [bound]) if place == 0 => Self::above(*bound),
                ("below", [bound]) if place == 0 => Self::below(*bound),
                ("between", [low, high]) if place == 0 => Self::between(*low, *high),
                ("circle", [period]) if place == 0 => Self::circle(*period),
                ("values", values) if place == 0 && is_list => Self::values(values),
                ("labels", _) if place == 0 => Self::labels(&words),
                ("step", [step]) => column.with_step(*step),
                ("integers", []) if words.is_empty() => column.with_step(1.0),
                ("atoms", atoms) if is_list => column.with_atoms(atoms),
                ("warp", _) if words == ["plain"] => column.with_warp(Warp::Plain),
                ("warp", _) if words == ["family"] => column.with_warp(Warp::Family),
                ("warp", _) if words == ["scores"] => column.with_warp(Warp::Scores),
                _ => return Err(not(part)),
            };
        }
        column.check()?;
        Ok(column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_column_is_can_be_read_again() {
        for text in [
            "real",
            "above 0, step 0.01",
            "below -2.5",
            "between 0 100, step 1, warp scores",
            "circle 360",
            "real, atoms -1 999, warp plain",
            "values 4 6 8",
            "labels",
            "labels a b",
        ] {
            assert_eq!(text.parse::<Column>().unwrap().to_string(), text);
        }
        assert_eq!("above 0, integers".parse::<Column>().unwrap(), Column::above(0.0).with_step(1.0));
        for wrong in
            ["", "above", "over 3", "between 3 2", "step -1", "above 0, between 1 2", "values", "real 3"]
        {
            assert!(matches!(wrong.parse::<Column>(), Err(Error::InvalidColumn { .. })), "{wrong}");
        }
    }
}
