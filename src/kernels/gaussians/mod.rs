//! Weighted Gaussians, each in coordinates in which it is standard.

mod few_axes;
mod many_axes;
mod near_cells;

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};

pub(crate) use few_axes::{Cell, load_rows};
pub(crate) use many_axes::ManyAxes;
pub(crate) use near_cells::BLOCK;

/// With so many axes coordinates fit into registers.
pub(crate) const FEW_AXES: usize = 5;
/// Points farther out than this are evaluated here, which keeps their squares finite.
pub(crate) const FARTHEST: f64 = 1e100;

/// w N(c, S), with standard coordinates z = W(x − c), WᵀW = S⁻¹.
///
/// Linear coordinates lose 10⁻¹⁶ |x|/(narrowest std) to rounding, where the coefficients of the quadratic
/// form would lose the square of that.
#[derive(Debug, Clone)]
pub(crate) struct Gaussian {
    /// log w − ½ log det 2πS.
    log_weight: f64,
    /// c, length m.
    centre: Vec<f64>,
    /// W, m × m.
    whitening: DMatrix<f64>,
}

impl Gaussian {
    /// With S = V diag(variances) Vᵀ: coordinate b is that along column b of V, in standard deviations.
    pub(crate) fn along_axes(
        log_weight: f64,
        centre: Vec<f64>,
        axes: &DMatrix<f64>,
        variances: &[f64],
    ) -> Self {
        let log_normaliser: f64 = variances.iter().map(|v| (std::f64::consts::TAU * v).ln()).sum();
        let dim = centre.len();
        let whitening = DMatrix::from_fn(dim, dim, |b, a| axes[(a, b)] / variances[b].sqrt());
        Self { log_weight: log_weight - 0.5 * log_normaliser, centre, whitening }
    }

    /// With S = `std`² I.
    pub(crate) fn isotropic(log_weight: f64, centre: Vec<f64>, std: f64) -> Self {
        let dim = centre.len();
        let log_normaliser = dim as f64 * (std.ln() + 0.5 * std::f64::consts::TAU.ln());
        let whitening = DMatrix::from_diagonal_element(dim, dim, 1.0 / std);
        Self { log_weight: log_weight - log_normaliser, centre, whitening }
    }

    /// With S = LLᵀ: z = L⁻¹(x − c).
    pub(crate) fn factored(log_weight: f64, centre: Vec<f64>, factor: &DMatrix<f64>) -> Self {
        let dim = centre.len();
        let mut whitening = DMatrix::identity(dim, dim);
        factor.solve_lower_triangular_mut(&mut whitening);
        let log_determinant: f64 = factor.diagonal().iter().map(|v| v.ln()).sum();
        let log_normaliser = log_determinant + 0.5 * dim as f64 * std::f64::consts::TAU.ln();
        Self { log_weight: log_weight - log_normaliser, centre, whitening }
    }
}

/// Gaussians in m dimensions, laid out for few axes or for many.
#[derive(Debug, Clone)]
pub(crate) enum Gaussians {
    One(Vec<Cell<1>>),
    Two(Vec<Cell<2>>),
    Three(Vec<Cell<3>>),
    Four(Vec<Cell<4>>),
    Five(Vec<Cell<5>>),
    Many(ManyAxes),
}

/// Evaluates the first expression, vectorised, for cells of few axes, and the second for those of many.
macro_rules! by_axes {
    ($gaussians:expr, $cells:ident, $simd:ident => $of_few:expr, $many:pat => $of_many:expr) => {
        match $gaussians {
            Gaussians::One($cells) => vectorised!($simd => $of_few),
            Gaussians::Two($cells) => vectorised!($simd => $of_few),
            Gaussians::Three($cells) => vectorised!($simd => $of_few),
            Gaussians::Four($cells) => vectorised!($simd => $of_few),
            Gaussians::Five($cells) => vectorised!($simd => $of_few),
            Gaussians::Many($many) => $of_many,
        }
    };
}

impl Gaussians {
    pub(crate) fn new(dim: usize, gaussians: Vec<Gaussian>) -> Self {
        let gaussians = gaussians.into_iter();
        match dim {
            1 => Self::One(gaussians.map(Cell::new).collect()),
            2 => Self::Two(gaussians.map(Cell::new).collect()),
            3 => Self::Three(gaussians.map(Cell::new).collect()),
            4 => Self::Four(gaussians.map(Cell::new).collect()),
            5 => Self::Five(gaussians.map(Cell::new).collect()),
            _ => Self::Many(ManyAxes::new(dim, gaussians.as_slice())),
        }
    }

    /// Writes log wⱼ N(x; cⱼ, Sⱼ) at the rows of `points` (n × m) into `out` (n × k).
    pub(crate) fn log_joint_into(&self, points: DMatrixView<'_, f64>, out: DMatrixViewMut<'_, f64>) {
        by_axes!(
            self,
            cells, simd => few_axes::log_joint_into(simd, cells, points, out),
            many => vectorised!(simd => many.log_joint_into(simd, points, out))
        )
    }

    /// Σ w r (1, x, xxᵀ) of every cell, or Σ w r (1, x) without `second` moments (k × q), and Σ w r² (k), over
    /// the rows x (n × m) with `weights`; responsibilities r below exp(`cut`) of the largest are zero. `None`
    /// with many axes, where products of matrices are faster.
    ///
    /// The more rows that are near each other stand beside each other, the faster.
    pub(crate) fn sums(
        &self,
        points: DMatrixView<'_, f64>,
        weights: &[f64],
        cut: f64,
        second: bool,
    ) -> Option<(DMatrix<f64>, DVector<f64>)> {
        by_axes!(
            self,
            cells, simd => Some(near_cells::sums(simd, cells, points, weights, cut, second)),
            _ => None
        )
    }

    /// log Σⱼ wⱼ N(x; cⱼ, Sⱼ) at the rows x of `points` (n × m), without what lies exp(`cut`) below the largest;
    /// `None` and fast as for [`sums`](Self::sums).
    pub(crate) fn log_density_above(&self, points: DMatrixView<'_, f64>, cut: f64) -> Option<Vec<f64>> {
        by_axes!(
            self,
            cells, simd => Some(near_cells::log_density(simd, cells, points, cut)),
            _ => None
        )
    }

    /// Writes the gradient of log N(x; cⱼ, Sⱼ) of cell `j` at the rows of `points` into `out`, both n × m.
    pub(crate) fn gradient_into(&self, j: usize, points: DMatrixView<'_, f64>, out: DMatrixViewMut<'_, f64>) {
        by_axes!(
            self,
            cells, simd => few_axes::gradient_into(simd, &cells[j], points, out),
            many => many.gradient_into(j, points, out)
        )
    }
}
