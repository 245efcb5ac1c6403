//! One cell in all coordinates, and what it says once something linear in them was seen.

use nalgebra::{DMatrix, DVector, DVectorView};

use super::tilt::Tilt;
use crate::error::{Error, Result};

/// u = mean + factor z with z ~ N(0, I), bent by a tilt: q coordinates, and as many columns of the factor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WholeCell {
    /// That of the Gaussian, without the tilt.
    pub(crate) mean: DVector<f64>,
    pub(crate) factor: DMatrix<f64>,
    pub(crate) tilt: Option<Tilt>,
}

/// What a cell says about y = Ru + Nν, ν ~ N(0, I), with r values; and about u when y was seen.
///
/// An orthogonal Θ turns (z, ν) into (ζ, z') such that y = Rμ + Λζ: the array form of a Kalman update, in which
/// nothing is subtracted, so that exact values are no special case.
#[derive(Debug, Clone)]
pub(crate) struct Sighting {
    /// Rμ, length r.
    pub(crate) centre: DVector<f64>,
    /// Λ, r × r.
    pub(crate) factor: DMatrix<f64>,
    /// Λ⁻¹, r × r.
    pub(crate) whitening: DMatrix<f64>,
    /// −log |det 2πΛΛᵀ|/2.
    pub(crate) log_peak: f64,
    /// u = mean + `gain` ζ + `spread` z': q × r, and q × (q + p − r) with p columns of N.
    pub(crate) gain: DMatrix<f64>,
    pub(crate) spread: DMatrix<f64>,
    /// Tilts of (ζ, z') and of ζ alone, and the logarithm of their mass.
    tilts: Option<(Tilt, Tilt, f64)>,
}

impl WholeCell {
    /// What it says about y = Ru + Nν with R = `map` (r × q) and N = `noise` (r × p).
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`] for cell `index` where y does not vary in r directions.
    pub(crate) fn seen_through(
        &self,
        map: &DMatrix<f64>,
        noise: &DMatrix<f64>,
        index: usize,
    ) -> Result<Sighting> {
        let (r, p) = noise.shape();
        let own = self.factor.ncols();
        let inner = own + p;
        let singular =
            Error::NotPositiveDefinite { what: "covariance of what was seen, of component", index };
        if r > inner {
            return Err(singular);
        }
        // Beside the columns to be made triangular the identity, so that Θ comes out whole.
        let mut array = DMatrix::zeros(inner, r + inner);
        array.view_mut((0, 0), (own, r)).copy_from(&(map * &self.factor).transpose());
        array.view_mut((own, 0), (p, r)).copy_from(&noise.transpose());
        array.view_mut((0, r), (inner, inner)).fill_with_identity();
        let (turn, upper) = array.qr().unpack();
        let factor = upper.view((0, 0), (r, r)).transpose();
        let mut log_peak = -0.5 * r as f64 * std::f64::consts::TAU.ln();
        for i in 0..r {
            let pivot = factor[(i, i)].abs();
            if !(pivot > 0.0 && pivot.is_finite()) {
                return Err(singular);
            }
            log_peak -= pivot.ln();
        }
        let mut whitening = DMatrix::identity(r, r);
        if !factor.solve_lower_triangular_mut(&mut whitening) {
            return Err(singular);
        }
        let of_z = turn.rows(0, own);
        let (seen, mut left) = (of_z.columns(0, r).into_owned(), of_z.columns(r, inner - r).into_owned());
        let tilts = self.tilt.as_ref().map(|tilt| {
            // The left coordinates such that draws from the tilt are simple.
            let turned = tilt.substituted(&DVector::zeros(own), &left);
            if let Some(diagonal) = turned.diagonalising() {
                left = &left * diagonal;
            }
            let mut both = DMatrix::zeros(own, inner);
            both.columns_mut(0, r).copy_from(&seen);
            both.columns_mut(r, inner - r).copy_from(&left);
            let joint = tilt.substituted(&DVector::zeros(own), &both);
            (joint.averaged(r), tilt.mass().ln(), joint)
        });
        Ok(Sighting {
            centre: map * &self.mean,
            gain: &self.factor * &seen,
            spread: &self.factor * &left,
            tilts: tilts.map(|(alone, mass, joint)| (joint, alone, mass)),
            whitening,
            log_peak,
            factor,
        })
    }

    /// E z = o of the tilt, in units of u: the mean of the cell.
    pub(crate) fn centre(&self) -> DVector<f64> {
        match &self.tilt {
            Some(tilt) => &self.mean + &self.factor * tilt.mean(),
            None => self.mean.clone(),
        }
    }

    /// The covariance of the cell.
    pub(crate) fn covariance(&self) -> DMatrix<f64> {
        let factor = &self.factor;
        let covariance = match &self.tilt {
            Some(tilt) => {
                let mean = tilt.mean();
                let own = tilt.second_moment() - &mean * mean.transpose();
                factor * own * factor.transpose()
            }
            None => factor * factor.transpose(),
        };
        (&covariance + covariance.transpose()) * 0.5
    }
}

impl Sighting {
    /// ζ at the columns of `seen`, both r × n.
    pub(crate) fn standard(&self, seen: &DMatrix<f64>) -> DMatrix<f64> {
        let mut centred = seen.clone();
        for mut column in centred.column_iter_mut() {
            column -= &self.centre;
        }
        &self.whitening * centred
    }

    /// log of the density of y at ζ.
    pub(crate) fn log_density(&self, standard: DVectorView<'_, f64>) -> f64 {
        let bent = self
            .tilts
            .as_ref()
            .map_or(0.0, |(_, alone, log_mass)| alone.at(&standard.into_owned()).value.ln() - log_mass);
        self.log_peak - 0.5 * standard.norm_squared() + bent
    }

    /// The tilt of z' when ζ was seen.
    pub(crate) fn tilt_given(&self, standard: DVectorView<'_, f64>) -> Option<Tilt> {
        self.tilts.as_ref().map(|(joint, ..)| joint.given_first(standard))
    }

    /// The tilt of ζ alone and the logarithm of its mass.
    pub(super) fn seen_tilt(&self) -> Option<(&Tilt, f64)> {
        self.tilts.as_ref().map(|(_, alone, log_mass)| (alone, *log_mass))
    }

    /// The cell of y itself.
    pub(crate) fn image(&self) -> WholeCell {
        WholeCell {
            mean: self.centre.clone(),
            factor: self.factor.clone(),
            tilt: self.seen_tilt().map(|(tilt, _)| tilt.clone()),
        }
    }
}
