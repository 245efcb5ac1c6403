use nalgebra::DMatrix;

/// Additive statistics of a least-squares fit: G = Σ w φφᵀ and b = Σ w φ tᵀ over rows, with the
/// total weight Σ w. What a fit needs, and all it keeps, of any number of rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NormalEquations {
    /// G, q × q.
    pub(crate) gram: DMatrix<f64>,
    /// b, q × m.
    pub(crate) moment: DMatrix<f64>,
    /// Σ w.
    pub(crate) weight: f64,
    /// Σ w |y − τ²z/s − known|², the denoising loss of what was known before; 0 where nothing was.
    pub(crate) known_loss: f64,
}

impl NormalEquations {
    pub(crate) fn zeros(features: usize, outputs: usize) -> Self {
        Self {
            gram: DMatrix::zeros(features, features),
            moment: DMatrix::zeros(features, outputs),
            weight: 0.0,
            known_loss: 0.0,
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.gram += &other.gram;
        self.moment += &other.moment;
        self.weight += other.weight;
        self.known_loss += other.known_loss;
    }

    pub(crate) fn scale(&mut self, factor: f64) {
        self.gram *= factor;
        self.moment *= factor;
        self.weight *= factor;
        self.known_loss *= factor;
    }

    /// The equations of the residual t − base·φ: b becomes b − G·base.
    pub(crate) fn residual(mut self, base: &DMatrix<f64>) -> Self {
        self.moment.gemm(-1.0, &self.gram, base, 1.0);
        self
    }

    /// Σ w |θᵀφ − t|² − Σ w |t|² for coefficients of the first features, (any number) × m: the
    /// squared loss up to a constant.
    pub(crate) fn loss(&self, coefficients: &DMatrix<f64>) -> f64 {
        let q = coefficients.nrows();
        let fitted = self.gram.view((0, 0), (q, q)) * coefficients;
        coefficients.dot(&(fitted - self.moment.rows(0, q) * 2.0))
    }
}
