use std::fmt::Debug;

use nalgebra::{DMatrix, DVector};
use rand::Rng;
use rand_distr::Distribution;

use crate::score::{LogDensity, draw_rows_into};

/// A law with exact density, exact score and a generator, as one trait that can be boxed.
///
/// Not to be implemented by hand: every [`LogDensity`] that is also `Debug` and a
/// `Distribution<DVector<f64>>` is one. (`Distribution` alone cannot be boxed, for its method is
/// generic.)
///
/// # Examples
/// ```
/// use gmix_diffusion::nalgebra::DVector;
/// use gmix_diffusion::reference::{Ball, Law, Segment};
///
/// let laws: Vec<Box<dyn Law>> = vec![
///     Box::new(Ball::new(DVector::zeros(2), 1.0, 0.1)?),
///     Box::new(Segment::new(DVector::zeros(2), DVector::from_vec(vec![2.0, 1.0]), 0.1)?),
/// ];
/// assert!(laws.iter().all(|law| law.dim() == 2));
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub trait Law: LogDensity + Debug {
    /// `n` independent rows: n × d.
    fn draw(&self, n: usize, rng: &mut dyn Rng) -> DMatrix<f64>;
}

impl<T: LogDensity + Debug + Distribution<DVector<f64>>> Law for T {
    fn draw(&self, n: usize, rng: &mut dyn Rng) -> DMatrix<f64> {
        let mut rows = DMatrix::zeros(n, self.dim());
        draw_rows_into(self, rng, rows.as_view_mut());
        rows
    }
}

impl Distribution<DVector<f64>> for Box<dyn Law> {
    fn sample<R: Rng + ?Sized>(&self, mut rng: &mut R) -> DVector<f64> {
        (**self).draw(1, &mut rng).row(0).transpose()
    }
}
