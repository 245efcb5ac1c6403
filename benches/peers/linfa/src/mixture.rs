use ndarray::{Array1, Array2, Array3, Axis};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::weighted::WeightedIndex;
use rand_distr::{Distribution, StandardNormal};

/// Rows evaluated together.
const BLOCK: usize = 128;

/// A Gaussian mixture whose density can be evaluated and drawn from.
pub(crate) struct Mixture {
    weights: Vec<f64>,
    means: Array2<f64>,
    /// Lower Cholesky factors of the covariances.
    factors: Vec<Array2<f64>>,
}

impl Mixture {
    pub(crate) fn new(
        weights: &Array1<f64>,
        means: &Array2<f64>,
        covariances: &Array3<f64>,
    ) -> Result<Self, &'static str> {
        let factors: Option<Vec<_>> =
            covariances.axis_iter(Axis(0)).map(|covariance| cholesky(&covariance.to_owned())).collect();
        let factors = factors.ok_or("a covariance is not positive definite")?;
        Ok(Self { weights: weights.to_vec(), means: means.clone(), factors })
    }

    pub(crate) fn components(&self) -> usize {
        self.weights.len()
    }

    pub(crate) fn bic(&self, rows: &Array2<f64>) -> f64 {
        let (k, dim) = self.means.dim();
        let parameters = k * (1 + dim + dim * (dim + 1) / 2) - 1;
        let log_likelihood: f64 = self.log_density(rows).iter().sum();
        parameters as f64 * (rows.nrows() as f64).ln() - 2.0 * log_likelihood
    }

    pub(crate) fn log_density(&self, rows: &Array2<f64>) -> Vec<f64> {
        rows.axis_chunks_iter(Axis(0), BLOCK)
            .flat_map(|block| self.block_log_density(&block.to_owned()))
            .collect()
    }

    fn block_log_density(&self, rows: &Array2<f64>) -> Vec<f64> {
        let logs: Vec<Vec<f64>> =
            (0..self.components()).map(|component| self.log_joint(component, rows)).collect();
        (0..rows.nrows())
            .map(|row| {
                let top = logs.iter().map(|log| log[row]).fold(f64::NEG_INFINITY, f64::max);
                top + logs.iter().map(|log| (log[row] - top).exp()).sum::<f64>().ln()
            })
            .collect()
    }

    /// log(weight) + log N(row | mean, LLᵀ), by forward substitution column by column.
    fn log_joint(&self, component: usize, rows: &Array2<f64>) -> Vec<f64> {
        let (factor, mean) = (&self.factors[component], self.means.row(component));
        let (n, dim) = rows.dim();
        let log_volume: f64 = factor.diag().iter().map(|scale| scale.ln()).sum();
        let constant =
            self.weights[component].ln() - log_volume - 0.5 * dim as f64 * std::f64::consts::TAU.ln();
        let mut whitened = vec![vec![0.0; n]; dim];
        let mut squares = vec![0.0; n];
        for axis in 0..dim {
            let (done, rest) = whitened.split_at_mut(axis);
            let column = &mut rest[0];
            for (value, x) in column.iter_mut().zip(rows.column(axis)) {
                *value = x - mean[axis];
            }
            for (before, earlier) in done.iter().enumerate() {
                let slope = factor[(axis, before)];
                column.iter_mut().zip(earlier).for_each(|(value, z)| *value -= slope * z);
            }
            let scale = 1.0 / factor[(axis, axis)];
            for (value, square) in column.iter_mut().zip(&mut squares) {
                *value *= scale;
                *square += *value * *value;
            }
        }
        squares.into_iter().map(|square| constant - 0.5 * square).collect()
    }

    pub(crate) fn draw(&self, n: usize, seed: u64) -> Array2<f64> {
        let dim = self.means.ncols();
        let mut rng = StdRng::seed_from_u64(seed);
        let mut rows = Array2::zeros((n, dim));
        let Ok(components) = WeightedIndex::new(&self.weights) else { return rows };
        let mut normals = vec![0.0; dim];
        for mut row in rows.rows_mut() {
            let component = components.sample(&mut rng);
            normals.iter_mut().for_each(|z| *z = StandardNormal.sample(&mut rng));
            for (axis, value) in row.iter_mut().enumerate() {
                let factor = self.factors[component].row(axis);
                let blur: f64 = factor.iter().zip(&normals).take(axis + 1).map(|(l, z)| l * z).sum();
                *value = self.means[(component, axis)] + blur;
            }
        }
        rows
    }
}

fn cholesky(matrix: &Array2<f64>) -> Option<Array2<f64>> {
    let dim = matrix.nrows();
    let mut factor = Array2::<f64>::zeros((dim, dim));
    for i in 0..dim {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| factor[(i, k)] * factor[(j, k)]).sum();
            let rest = matrix[(i, j)] - known;
            factor[(i, j)] = if i != j {
                rest / factor[(j, j)]
            } else if rest > 0.0 {
                rest.sqrt()
            } else {
                return None;
            };
        }
    }
    Some(factor)
}
