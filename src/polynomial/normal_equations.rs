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
}

impl NormalEquations {
    pub(crate) fn zeros(features: usize, outputs: usize) -> Self {
        Self {
            gram: DMatrix::zeros(features, features),
            moment: DMatrix::zeros(features, outputs),
            weight: 0.0,
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.gram += &other.gram;
        self.moment += &other.moment;
        self.weight += other.weight;
    }

    pub(crate) fn scale(&mut self, factor: f64) {
        self.gram *= factor;
        self.moment *= factor;
        self.weight *= factor;
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

impl From<NormalEquations> for [DMatrix<f64>; 3] {
    fn from(sums: NormalEquations) -> Self {
        let NormalEquations { gram, moment, weight } = sums;
        [gram, moment, DMatrix::from_element(1, 1, weight)]
    }
}

impl From<[DMatrix<f64>; 3]> for NormalEquations {
    fn from([gram, moment, weight]: [DMatrix<f64>; 3]) -> Self {
        Self { gram, moment, weight: weight[0] }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The equations of rows φ = (1, x, x²) with target sin x, some weight each.
    fn equations(rows: &[(f64, f64)]) -> NormalEquations {
        let mut sums = NormalEquations::zeros(3, 1);
        for &(x, weight) in rows {
            let features = DMatrix::from_column_slice(3, 1, &[1.0, x, x * x]);
            sums.gram += &features * features.transpose() * weight;
            sums.moment += features * (weight * x.sin());
            sums.weight += weight;
        }
        sums
    }

    fn close(a: &NormalEquations, b: &NormalEquations) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * (1.0 + a.abs());
        a.gram.iter().zip(b.gram.iter()).all(|(a, b)| near(*a, *b))
            && a.moment.iter().zip(b.moment.iter()).all(|(a, b)| near(*a, *b))
            && near(a.weight, b.weight)
    }

    proptest! {
        #[test]
        fn sums_of_rows_merge_in_any_grouping(
            rows in proptest::collection::vec((-3.0..3.0f64, 0.0..2.0f64), 3..60),
            cuts in (0.0..1.0f64, 0.0..1.0f64),
        ) {
            let at = |share: f64| (share * rows.len() as f64) as usize;
            let (low, high) = (at(cuts.0.min(cuts.1)), at(cuts.0.max(cuts.1)));
            let [a, b, c] = [&rows[..low], &rows[low..high], &rows[high..]].map(equations);
            let (mut left, mut right, mut inner) = (a.clone(), a, b.clone());
            left.add(&b);
            left.add(&c);
            inner.add(&c);
            right.add(&inner);
            prop_assert!(close(&left, &right) && close(&left, &equations(&rows)));
        }

        #[test]
        fn a_loss_is_that_of_its_rows(
            rows in proptest::collection::vec((-3.0..3.0f64, 0.0..2.0f64), 1..30),
            theta in proptest::array::uniform3(-2.0..2.0f64),
        ) {
            let coefficients = DMatrix::from_column_slice(3, 1, &theta);
            let direct: f64 = rows
                .iter()
                .map(|&(x, weight)| {
                    let fitted = theta[0] + theta[1] * x + theta[2] * x * x;
                    weight * ((fitted - x.sin()).powi(2) - x.sin().powi(2))
                })
                .sum();
            let found = equations(&rows).loss(&coefficients);
            prop_assert!((found - direct).abs() <= 1e-10 * (1.0 + direct.abs()), "{found} {direct}");
        }
    }

    #[test]
    fn twice_the_sums_are_the_sums_of_all_rows_twice() {
        let mut sums = NormalEquations::zeros(2, 1);
        sums.gram.copy_from_slice(&[3.0, 0.5, 0.5, 2.0]);
        sums.moment.copy_from_slice(&[1.5, -4.0]);
        sums.weight = 7.0;
        let mut added = sums.clone();
        added.add(&sums);
        sums.scale(2.0);
        assert_eq!(sums, added);
    }
}
