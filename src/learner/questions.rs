//! Questions to a model, whether it is a law in closed form or one that polynomials correct.

use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt};

use super::model::DiffusionModel;
use crate::clusters::Clusters;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::metrics::{Estimate, kl_divergence, total_variation};
use crate::questions::{Corrected, Mixture, Observation, Predictions, WeightedDraws, whole_rows};
use crate::rows::{Rows, stream};

/// Proposals for every row that is drawn given something, where polynomials correct the law, and more of them.
const PROPOSALS_A_DRAW: usize = 4;
const MORE_PROPOSALS: usize = 64;
/// Purpose of the stream of random numbers of one question.
const ASKED: u64 = 45;

impl DiffusionModel {
    fn ask<T>(&self, base: &Mixture, question: impl FnOnce(Corrected<'_>) -> Result<T>) -> Result<T> {
        question(Corrected { base, log_density: &|rows: &DMatrix<f64>| self.log_density(rows) })
    }

    /// `proposals` weighted draws of the columns that are open when something was seen. Where the law is closed form
    /// they weigh the same; where polynomials correct it, they are proposed by its cells and weighed by the
    /// corrected density.
    ///
    /// # Errors
    /// Those of [`Mixture::given`], and [`Error::NoClosedForm`] where cells were found level by level.
    ///
    /// # Examples
    /// ```
    /// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
    /// use gmix_diffusion::reference::{Law, Sphere};
    /// use gmix_diffusion::{DiffusionLearner, Observation};
    ///
    /// let mut rng = StdRng::seed_from_u64(1);
    /// let rows = Sphere::circle(3.0, 2, 0.3)?.draw(600, &mut rng);
    /// let model = DiffusionLearner::new().fit(&rows, &mut rng)?;
    /// let draws = model.given(&Observation::with_std(&[0], &[3.0], &[0.2])?, 200, &mut rng)?;
    /// assert_eq!(draws.columns, [0, 1]);
    /// assert!(draws.effective > 100.0 && draws.mean()[1].abs() < 1.0);
    /// # Ok::<(), gmix_diffusion::Error>(())
    /// ```
    pub fn given<R: Rng + ?Sized>(
        &self,
        observation: &Observation,
        proposals: usize,
        rng: &mut R,
    ) -> Result<WeightedDraws> {
        let base = self.base()?;
        let mut own = stream(rng.random(), ASKED, 0);
        if self.score_model().is_corrected() {
            return self.ask(&base, |law| law.given(observation, proposals, &mut own));
        }
        let law = base.given(observation)?;
        Ok(WeightedDraws {
            columns: law.columns().to_vec(),
            rows: law.sample(proposals, &mut own)?,
            weights: DVector::from_element(proposals, 1.0 / proposals as f64),
            effective: proposals as f64,
            log_density: base.log_density_of(observation)?,
        })
    }

    /// `n` whole rows of the law given what was seen, n × d; exact values stand in every row.
    ///
    /// # Errors
    /// As [`given`](Self::given).
    pub fn sample_given<R: Rng + ?Sized>(
        &self,
        observation: &Observation,
        n: usize,
        rng: &mut R,
    ) -> Result<DMatrix<f64>> {
        let (corrected, base) = (self.score_model().is_corrected(), self.base()?);
        let proposals = if corrected { PROPOSALS_A_DRAW * n + MORE_PROPOSALS } else { n };
        let draws = self.given(observation, proposals, rng)?;
        let rows = if corrected { draws.resample(n, rng) } else { draws.rows };
        Ok(whole_rows(&base, observation, &draws.columns, &rows))
    }

    /// Mean, standard deviation and quantiles of some columns, each by itself, for every row of a table given its
    /// other columns; and the density of the row's own values there: as [`Mixture::predict`], of which this is the
    /// answer where the law is closed form. Where polynomials correct it, 64 proposals a row are weighed.
    ///
    /// # Errors
    /// Those of [`Mixture::predict`], and [`Error::NoClosedForm`] where cells were found level by level.
    pub fn predict<'a, R: Rng + ?Sized>(
        &self,
        rows: impl Into<Rows<'a>>,
        columns: &[usize],
        quantiles: &[f64],
        rng: &mut R,
    ) -> Result<Predictions> {
        let base = self.base()?;
        if !self.score_model().is_corrected() {
            return base.predict(rows, columns, quantiles);
        }
        let mut own = stream(rng.random(), ASKED, 1);
        self.ask(&base, |law| law.predict(&rows.into(), columns, quantiles, &mut own))
    }

    /// `draws` completed tables, n × d each: as [`Mixture::impute`], and where polynomials correct the law out of 64
    /// proposals a row.
    ///
    /// # Errors
    /// Those of [`Mixture::impute`], and [`Error::NoClosedForm`] where cells were found level by level.
    pub fn impute<'a, R: Rng + ?Sized>(
        &self,
        rows: impl Into<Rows<'a>>,
        draws: usize,
        rng: &mut R,
    ) -> Result<Vec<DMatrix<f64>>> {
        let base = self.base()?;
        if !self.score_model().is_corrected() || draws == 0 {
            return base.impute(rows, draws, rng);
        }
        let mut own = stream(rng.random(), ASKED, 2);
        self.ask(&base, |law| law.impute(&rows.into(), draws, &mut own))
    }

    /// The table with the mean of the law given the others in every empty cell: as [`Mixture::impute_means`].
    ///
    /// # Errors
    /// As [`impute`](Self::impute).
    pub fn impute_means<'a, R: Rng + ?Sized>(
        &self,
        rows: impl Into<Rows<'a>>,
        rng: &mut R,
    ) -> Result<DMatrix<f64>> {
        let base = self.base()?;
        if !self.score_model().is_corrected() {
            return base.impute_means(rows);
        }
        let mut own = stream(rng.random(), ASKED, 3);
        let mut tables = self.ask(&base, |law| law.impute(&rows.into(), 0, &mut own))?;
        Ok(tables.swap_remove(0))
    }

    /// The clusters of the law that `rows` (n × d), those learned, show: groups of cells without a valley between them.
    /// Where polynomials correct the cells, those of the cells alone.
    ///
    /// # Errors
    /// Those of [`Mixture::clusters`], and [`Error::NoClosedForm`] where cells were found level by level.
    pub fn clusters<'a>(&self, rows: impl Into<Rows<'a>>) -> Result<Clusters> {
        self.base()?.clusters(rows)
    }

    /// How far the law of `other` is from this one, by `draws` draws of this one: the Kullback-Leibler divergence of
    /// the other from this, and their total variation.
    ///
    /// # Errors
    /// Those of [`sample`](Self::sample) and [`log_density`](Self::log_density); [`Error::NoRows`] for no draws.
    ///
    /// # Examples
    /// ```
    /// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
    /// use gmix_diffusion::reference::{Law, Sphere};
    /// use gmix_diffusion::DiffusionLearner;
    ///
    /// let mut rng = StdRng::seed_from_u64(1);
    /// let (ring, wider) = (Sphere::circle(3.0, 2, 0.3)?, Sphere::circle(3.6, 2, 0.3)?);
    /// let learner = DiffusionLearner::fast();
    /// let (first, again) = (learner.fit(&ring.draw(500, &mut rng), &mut rng)?, learner.fit(&ring.draw(500, &mut rng), &mut rng)?);
    /// let other = learner.fit(&wider.draw(500, &mut rng), &mut rng)?;
    /// let (near, far) = (first.distance_to(&again, 2_000, &mut rng)?, first.distance_to(&other, 2_000, &mut rng)?);
    /// assert!(near.total_variation.value < 0.3 && far.total_variation.value > 0.5);
    /// # Ok::<(), gmix_diffusion::Error>(())
    /// ```
    pub fn distance_to<R: Rng + ?Sized>(
        &self,
        other: &Self,
        draws: usize,
        rng: &mut R,
    ) -> Result<LawDistance> {
        let rows = self.sample(draws, rng)?;
        let (own, others) = (self.log_density(&rows)?, other.log_density(&rows)?);
        Ok(LawDistance {
            kl_divergence: kl_divergence(own.as_slice(), others.as_slice())?,
            total_variation: total_variation(own.as_slice(), others.as_slice())?,
        })
    }
}

/// How far one law is from another.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct LawDistance {
    /// ∫ p ln (p/q) in nats, p the law that was asked.
    pub kl_divergence: Estimate,
    /// ½ ∫ |p − q|, from 0 to 1.
    pub total_variation: Estimate,
}
