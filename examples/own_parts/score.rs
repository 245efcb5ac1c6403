use gmix_diffusion::nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};
use gmix_diffusion::{NoiseLevel, Result, ScoreModel};

/// The corners of a square of side 2c, each blurred by N(0, σ²): every coordinate is ±c + σZ.
///
/// At a noise level Y = aX + sZ a coordinate is ±ac + √v Z with v = a²σ² + s², so that the score is
/// (ac tanh(acy/v) − y)/v.
pub(crate) struct Corners {
    /// c.
    pub(crate) half_side: f64,
    /// σ, positive.
    pub(crate) std: f64,
}

impl ScoreModel for Corners {
    fn dim(&self) -> usize {
        2
    }

    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        mut score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        let variance = (level.signal() * self.std).powi(2) + level.noise().powi(2);
        let centre = level.signal() * self.half_side;
        score.zip_apply(&points, |s, y| *s = (centre * (centre * y / variance).tanh() - y) / variance);
        Ok(())
    }

    /// With it, samplers end at exactly the right variance.
    fn component_std(&self) -> f64 {
        self.std
    }
}

impl Corners {
    /// Natural logarithm of the density of X at the rows of `points`.
    pub(crate) fn log_density(&self, points: &DMatrix<f64>) -> DVector<f64> {
        let bell = |x: f64| (-0.5 * (x / self.std).powi(2)).exp() / (self.std * std::f64::consts::TAU.sqrt());
        let coordinate = |x: f64| (0.5 * (bell(x - self.half_side) + bell(x + self.half_side))).ln();
        DVector::from_iterator(points.nrows(), points.row_iter().map(|row| row.map(coordinate).sum()))
    }
}
