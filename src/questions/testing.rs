//! Laws of many kinds, for tests.

use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::mixture::Mixture;
use crate::coordinates::Units;
use crate::mixture::{Embedding, MixtureLaw, MixtureParameters, RadialShape};

/// A random law of `dim` columns, of which `active` are active, in units that differ by `ratio` from one to the next;
/// with fewer columns than `columns` on a hull of dimension `dim` among these.
pub(super) struct Case {
    pub(super) seed: u64,
    pub(super) cells: usize,
    pub(super) dim: usize,
    pub(super) active: usize,
    pub(super) beta: f64,
    pub(super) ratio: f64,
    pub(super) columns: usize,
}

impl Case {
    pub(super) fn plain(seed: u64, dim: usize, beta: f64) -> Self {
        Self { seed, cells: 3, dim, active: dim, beta, ratio: 1.0, columns: dim }
    }

    pub(super) fn law(&self) -> Mixture {
        let &Self { cells, dim, active, columns, .. } = self;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let mut normal = |rows: usize, columns: usize| -> DMatrix<f64> {
            DMatrix::from_fn(rows, columns, |_, _| StandardNormal.sample(&mut rng))
        };
        let masses = normal(cells, 1).column(0).map(f64::abs).add_scalar(0.1);
        let covariances = (0..cells).map(|_| {
            let root = normal(active, active) * 0.5;
            let square = &root * root.transpose() + DMatrix::identity(active, active) * 0.05;
            (&square + square.transpose()) * 0.5
        });
        let mixture = MixtureParameters {
            masses: &masses / masses.sum(),
            covariances: covariances.collect(),
            means: normal(cells, active) * 1.5,
        };
        let frame = normal(dim, dim).qr().q();
        let embedding = (active < dim).then(|| Embedding {
            axes: frame.columns(0, active).into_owned(),
            rest: frame.columns(active, dim - active).into_owned(),
            rest_variance: 0.3,
            rest_means: normal(cells, dim - active) * 0.2,
        });
        let law = MixtureLaw::new(&mixture, RadialShape::new(self.beta), embedding).unwrap();
        let hull_axes = (dim < columns).then(|| normal(columns, dim).qr().q());
        let units = Units {
            shift: DVector::from_fn(columns, |i, _| i as f64 - 0.5),
            scale: DVector::from_fn(columns, |i, _| self.ratio.powi(i as i32)),
            hull_axes,
        };
        Mixture::new(columns, (0..columns).collect(), units, law)
    }
}

pub(super) fn shapes() -> [f64; 3] {
    [0.0, 0.35, -0.5]
}

/// The third column is determined by the two others, the fourth constant.
pub(super) fn flat(beta: f64, ratio: f64) -> Mixture {
    let plain = Case { ratio, ..Case::plain(70, 2, beta) }.law();
    let mut axes = DMatrix::zeros(4, 2);
    let root = (1.0f64 + 0.5).sqrt();
    // Orthonormal: u₁ = (1, 0, ½, 0)·…, u₂ orthogonal to it with third = ½ first + second.
    let first = DVector::from_vec(vec![1.0, 0.0, 0.5, 0.0]);
    let second = DVector::from_vec(vec![0.0, 1.0, 1.0, 0.0]);
    let one = first.normalize();
    let two = (&second - &one * one.dot(&second)).normalize();
    axes.column_mut(0).copy_from(&one);
    axes.column_mut(1).copy_from(&two);
    assert!(root > 0.0);
    let units = Units {
        shift: DVector::from_vec(vec![0.5, -1.0, 2.0, 7.0]),
        scale: DVector::from_fn(4, |i, _| ratio.powi(i as i32)),
        hull_axes: Some(axes),
    };
    Mixture::new(4, (0..4).collect(), units, plain.law)
}

/// Rows of a law in which cells are empty by a pattern that depends on the row, and which have all kinds of them.
pub(super) fn holes(law: &Mixture, n: usize) -> DMatrix<f64> {
    let mut rows = law.sample(n, &mut Xoshiro256PlusPlus::seed_from_u64(6)).unwrap();
    let dim = rows.ncols();
    for row in 0..n {
        for column in (0..dim).filter(|column| (row * 7) >> column & 1 == 1) {
            rows[(row, column)] = f64::NAN;
        }
    }
    rows
}

/// √n times the largest distance of the distribution functions. P(√n D > 2.5) ≤ 8e-6.
pub(super) fn kolmogorov_smirnov(mut draws: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    draws.sort_by(f64::total_cmp);
    let n = draws.len() as f64;
    let distance = |(i, &x): (usize, &f64)| {
        let p = cdf(x);
        (p - i as f64 / n).abs().max((p - (i + 1) as f64 / n).abs())
    };
    draws.iter().enumerate().map(distance).fold(0.0, f64::max) * n.sqrt()
}
