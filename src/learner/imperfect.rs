//! Learning from rows seen in part or through noise.

use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt};

use super::model::DiffusionModel;
use super::observer::FitObserver;
use super::settings::DiffusionLearner;
use crate::error::Result;
use crate::imperfect::SeenRows;
use crate::levels::cells_of;
use crate::mixture::{Embedding, MixtureLaw, MixtureParameters, RadialShape};
use crate::polynomial::PiecewisePolynomialScore;
use crate::process::NoiseLevel;
use crate::questions::Mixture;
use crate::report::FitWarning;
use crate::rows::{IsotropicRest, Rows, stream};
use crate::search::CellSums;

/// Tables that are drawn and learned, each from the law of the one before; the last by the learner itself.
const ROUNDS: u64 = 3;
/// The Gaussian from which the first is drawn need not be exact.
const GAUSSIAN: (usize, f64) = (200, 1e-5);
/// Rows that are whole and exact are learned instead of a first drawn table, where they are so large a share and so many.
const LEAST_SHARE: f64 = 0.2;
const LEAST_WHOLE: f64 = 200.0;
/// Steps at most by which a law found in a drawn table is moved towards the highest likelihood of what was seen; one that
/// changes it by fewer nats a unit of weight is the last.
const STEPS: usize = 60;
const LEAST_CHANGE: f64 = 1e-5;
/// Up to so many cells are tried without each of them, by so many steps.
const MOST_TO_PRUNE: usize = 8;
const STEPS_WITHOUT: usize = 10;
/// Cells of fewer rows may leave their place in the list when a step is done.
const LIGHT: f64 = 5.0;
/// Errors so many times as wide as the smallest cell are worth a warning.
const WIDE: f64 = 3.0;
/// Purposes of the streams of random numbers: of a row in a round, and of the fit of a round.
const DRAWING: u64 = 51;
const FITTING: u64 = DRAWING + ROUNDS;

impl DiffusionLearner {
    /// Draws x ~ p(x | w) from the present law for every row, learns the law of the drawn table, and moves its cells to
    /// where the likelihood of what was seen is highest; again and again, beginning with
    /// one Gaussian, or with the rows that are whole.
    pub(super) fn fit_imperfect<R: Rng + ?Sized>(
        &self,
        rows: &Rows<'_>,
        rng: &mut R,
        observer: &mut dyn FitObserver,
    ) -> Result<DiffusionModel> {
        self.validate()?;
        let seen = SeenRows::read(rows)?;
        let seed = rng.random();
        let fast = self.clone().searched_once();
        let whole = seen.whole_and_exact();
        let enough = whole.len() as f64 >= (LEAST_SHARE * seen.weights.len() as f64).max(LEAST_WHOLE);
        let law_of = |model: DiffusionModel| -> Result<MixtureParameters> {
            let model = fast.moved_to_seen(&seen, model, true)?;
            Ok(seen.to_scaled(&gaussian_cells(&model.clean_mixture()?)))
        };
        let first = if enough {
            let weights: Vec<f64> = whole.iter().map(|&row| seen.weights[row]).collect();
            let table = seen.values.select_rows(&whole);
            let rows = Rows::from(&table).with_weights(&weights)?;
            fast.fit_source(&rows, &mut stream(seed, FITTING, 0))?
        } else {
            fast.fit_round(&seen, &seen.one_gaussian(GAUSSIAN.0, GAUSSIAN.1)?, seed, 0, None)?
        };
        let mut law = law_of(first)?;
        for round in 1..ROUNDS - 1 {
            law = law_of(fast.fit_round(&seen, &law, seed, round, None)?)?;
        }
        let model = self.fit_round(&seen, &law, seed, ROUNDS - 1, Some(observer))?;
        let model = self.moved_to_seen(&seen, model, false)?;
        let mut warnings = Vec::new();
        if seen.nothing_seen > 0 {
            warnings.push(FitWarning::NothingSeen { rows: seen.nothing_seen });
        }
        if let Ok(mixture) = model.clean_mixture() {
            let ratio = seen.noise_to_smallest_cell(&seen.to_scaled(&gaussian_cells(&mixture)));
            if ratio > WIDE {
                warnings.push(FitWarning::WideErrors { ratio });
            }
        }
        Ok(model.with_warnings(warnings))
    }

    fn fit_round(
        &self,
        seen: &SeenRows,
        law: &MixtureParameters,
        seed: u64,
        round: u64,
        observer: Option<&mut dyn FitObserver>,
    ) -> Result<DiffusionModel> {
        let table = seen.drawn(law, seed, DRAWING + round)?;
        let rows = Rows::from(&table).with_weights(&seen.weights)?;
        let mut rng = stream(seed, FITTING, round);
        match observer {
            Some(observer) => self.fit_source_observed(&rows, &mut rng, observer),
            None => self.fit_source(&rows, &mut rng),
        }
    }

    /// `model` with its cells where the likelihood of what was seen is highest. Shaped cells, and cells on a hull of fewer
    /// dimensions than there are columns, stay where they are. On the way to the next table cells are also left out.
    fn moved_to_seen(&self, seen: &SeenRows, model: DiffusionModel, prune: bool) -> Result<DiffusionModel> {
        let units = &model.units;
        let Some((base, embedding)) =
            model.score.base().and_then(|base| Some((base, base.embedding()?.clone())))
        else {
            return Ok(model);
        };
        if units.hull_axes().is_some() || !base.shape().is_gaussian() {
            return Ok(model);
        }
        let seen = seen.in_units(units.shift(), units.scale());
        let variance = model.report.component_std * model.report.component_std;
        let rest = match self.component_std {
            Some(_) => IsotropicRest { count: f64::INFINITY, variance },
            None => IsotropicRest::NONE,
        };
        let (law, log_likelihood) = climbed(&seen, cells_of_base(base), &embedding, rest, STEPS)?;
        let law = if prune { pruned(&seen, law, log_likelihood, &embedding, rest)? } else { law };
        let cells = match model.cells.centre_mixture() {
            // Only the last model's have names.
            Some(mut centres) if !prune => {
                let blur = DMatrix::identity(embedding.axes.ncols(), embedding.axes.ncols()) * variance;
                centres.covariances.iter_mut().for_each(|covariance| *covariance += &blur);
                let flat = Embedding { rest_means: DMatrix::zeros(0, 0), ..embedding.clone() };
                climbed(&seen, centres, &flat, rest, STEPS)?.0
            }
            _ => law.clone(),
        };
        model.with_law(&law, cells, embedding)
    }
}

/// Masses, means and covariances in active coordinates.
fn cells_of_base(base: &MixtureLaw) -> MixtureParameters {
    MixtureParameters {
        masses: base.masses().clone(),
        means: base.means().clone(),
        covariances: (0..base.masses().len()).map(|cell| base.scaled_covariance(cell)).collect(),
    }
}

/// `law`, in the active coordinates of `embedding`, where the likelihood of what was seen is highest, up to the
/// shrinkage of covariances that the search for cells has too; and the logarithm of that likelihood.
fn climbed(
    seen: &SeenRows,
    mut law: MixtureParameters,
    embedding: &Embedding,
    rest: IsotropicRest,
    steps: usize,
) -> Result<(MixtureParameters, f64)> {
    let Embedding { axes, rest: others, rest_variance, rest_means } = embedding;
    let across = others * others.transpose() * *rest_variance;
    let mut before = f64::NEG_INFINITY;
    for _ in 0..steps {
        let mut means = &law.means * axes.transpose();
        if rest_means.ncols() > 0 {
            means += rest_means * others.transpose();
        }
        let covariances = law.covariances.iter().map(|own| axes * own * axes.transpose() + &across).collect();
        let whole = MixtureParameters { masses: law.masses.clone(), means, covariances };
        let sums = seen.sums(&whole)?;
        let change = sums.log_likelihood - before;
        before = sums.log_likelihood;
        if change.abs() < LEAST_CHANGE * seen.weight() {
            break;
        }
        let (moments, information) = sums.along(axes, &whole);
        let light = LIGHT.max(axes.ncols() as f64 + 2.0);
        if rest_means.ncols() > 0 && moments.column(0).min() < light {
            break;
        }
        law = CellSums { moments, information }.maximise(rest, &law);
    }
    Ok((law, before))
}

/// `law` without the cells that the likelihood of what was seen does without: a table drawn from a law has its spurious
/// cells too, so that the search would find them again.
fn pruned(
    seen: &SeenRows,
    mut law: MixtureParameters,
    mut log_likelihood: f64,
    embedding: &Embedding,
    rest: IsotropicRest,
) -> Result<MixtureParameters> {
    let dim = embedding.axes.ncols() as f64;
    // What a cell's mass, mean and covariance gain by chance (Schwarz 1978).
    let by_chance = 0.5 * (1.0 + dim + 0.5 * dim * (dim + 1.0)) * seen.weight().max(1.0).ln();
    if embedding.rest_means.ncols() > 0 {
        return Ok(law);
    }
    while (2..=MOST_TO_PRUNE).contains(&law.masses.len()) {
        let without = |cell: usize| {
            let masses = law.masses.clone().remove_row(cell);
            let left = MixtureParameters {
                masses: &masses / masses.sum(),
                means: law.means.clone().remove_row(cell),
                covariances: law
                    .covariances
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| *at != cell)
                    .map(|(_, own)| own.clone())
                    .collect(),
            };
            climbed(seen, left, embedding, rest, STEPS_WITHOUT)
        };
        let found: Vec<(MixtureParameters, f64)> =
            (0..law.masses.len()).map(without).collect::<Result<_>>()?;
        let Some(best) = found.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)) else { break };
        if log_likelihood - best.1 > by_chance {
            break;
        }
        (law, log_likelihood) = climbed(seen, best.0, embedding, rest, STEPS)?;
    }
    Ok(law)
}

/// The Gaussians of the cells' masses, means and covariances, in the data's units.
fn gaussian_cells(mixture: &Mixture) -> MixtureParameters {
    let (masses, means): (DVector<f64>, DMatrix<f64>) = (mixture.masses().clone(), mixture.means());
    MixtureParameters { masses, means, covariances: mixture.covariances() }
}

impl DiffusionModel {
    /// The law of X, of whatever level the quietest one is.
    fn clean_mixture(&self) -> Result<Mixture> {
        match self.score.base() {
            Some(base) => Mixture::of_model(self.units.clone(), base, NoiseLevel::CLEAN),
            None => self.base(),
        }
    }

    /// The same levels with the Gaussian cells of `law`, of which `cells` are those that have names; both in active
    /// coordinates.
    fn with_law(
        self,
        law: &MixtureParameters,
        cells: MixtureParameters,
        embedding: Embedding,
    ) -> Result<Self> {
        let Self { score, units, sampler, report, .. } = self;
        let score = PiecewisePolynomialScore::new(
            score.subspace().clone(),
            score.covariance.clone(),
            report.component_std,
            score.levels().clone(),
            Some(MixtureLaw::new(law, RadialShape::GAUSSIAN, Some(embedding))?),
            vec![None; score.levels().len()],
        );
        let cells = Arc::new(cells_of(cells, report.component_std)?);
        Self::new(score, cells, units, sampler, report)
    }

    fn with_warnings(mut self, warnings: Vec<FitWarning>) -> Self {
        self.report.warnings.extend(warnings);
        self
    }
}
