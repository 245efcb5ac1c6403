use std::collections::HashMap;

/// Normalised probabilists' Hermite polynomials Heₙ/√n! of one variable, orthonormal under N(0, 1):
/// writes h₀ … h_degree at each of `points` as consecutive columns of length n.
///
/// Recurrence: √(n+1) hₙ₊₁ = u hₙ − √n hₙ₋₁.
pub(crate) fn hermite_table(points: &[f64], degree: usize, table: &mut [f64]) {
    let n = points.len();
    table[..n].fill(1.0);
    if degree == 0 {
        return;
    }
    table[n..2 * n].copy_from_slice(points);
    for order in 1..degree {
        let (done, rest) = table.split_at_mut((order + 1) * n);
        let (before, last) = (&done[(order - 1) * n..order * n], &done[order * n..]);
        let (scale, back) = (1.0 / ((order + 1) as f64).sqrt(), (order as f64).sqrt());
        for i in 0..n {
            rest[i] = scale * (points[i] * last[i] - back * before[i]);
        }
    }
}

/// α of a feature: the variables in use, rising, each with its exponent. Features of many variables use few.
pub(crate) type Exponents = Vec<(usize, usize)>;

/// The products h_α(u) = Π hₐᵢ(uᵢ) of total degree |α| ≤ D in `dim` variables, by rising degree, so
/// that the basis of a lower degree is a prefix of that of a higher one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HermiteBasis {
    dim: usize,
    degree: usize,
    /// α of every feature.
    exponents: Vec<Exponents>,
    /// Where each α stands in `exponents`.
    index: HashMap<Exponents, usize>,
    /// The feature without its last variable, that variable and its exponent; `None` for h₀ = 1.
    factors: Vec<Option<(usize, usize, usize)>>,
}

impl HermiteBasis {
    pub(crate) fn new(dim: usize, degree: usize) -> Self {
        let mut exponents: Vec<Exponents> = vec![Vec::new()];
        let mut last_degree = 0..1;
        for _ in 0..degree {
            let start = exponents.len();
            for index in last_degree {
                // Raising only the last variable in use, or a later one, lists every α once.
                let last = exponents[index].last().map_or(0, |&(axis, _)| axis);
                for axis in last..dim {
                    exponents.push(raised(&exponents[index], axis));
                }
            }
            last_degree = start..exponents.len();
        }
        let index: HashMap<Exponents, usize> =
            exponents.iter().enumerate().map(|(i, alpha)| (alpha.clone(), i)).collect();
        let factors = exponents
            .iter()
            .map(|alpha| {
                let (&(axis, exponent), rest) = alpha.split_last()?;
                Some((*index.get(rest)?, axis, exponent))
            })
            .collect();
        Self { dim, degree, exponents, index, factors }
    }

    /// Number of features C(dim + degree, degree), saturating.
    pub(crate) fn count(dim: usize, degree: usize) -> usize {
        (1..=degree).fold(1usize, |count, i| count.saturating_mul(dim + i) / i)
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    pub(crate) fn degree(&self) -> usize {
        self.degree
    }

    pub(crate) fn len(&self) -> usize {
        self.exponents.len()
    }

    pub(crate) fn exponents(&self) -> &[Exponents] {
        &self.exponents
    }

    /// Where the feature with exponents `alpha` stands, if it is of degree ≤ D.
    pub(crate) fn position(&self, alpha: &[(usize, usize)]) -> Option<usize> {
        self.index.get(alpha).copied()
    }

    /// Total degree of feature `index`.
    pub(crate) fn order(&self, index: usize) -> usize {
        self.exponents[index].iter().map(|(_, exponent)| exponent).sum()
    }

    /// The feature whose exponent of `axis` is one lower than that of feature `index`, and √αₐₓᵢₛ, so
    /// that ∂h_α/∂u_axis is their product.
    pub(crate) fn derivatives(&self, axis: usize) -> Vec<Option<(usize, f64)>> {
        self.exponents
            .iter()
            .map(|alpha| {
                let lower = self.position(&lowered(alpha, axis)?)?;
                Some((lower, (exponent(alpha, axis) as f64).sqrt()))
            })
            .collect()
    }

    /// Writes all features at n points, whose coordinates are the consecutive columns of `points`
    /// (n × dim), as consecutive columns of `features` (n × len). `tables` is scratch space.
    pub(crate) fn features_into(
        &self,
        n: usize,
        points: &[f64],
        tables: &mut Vec<f64>,
        features: &mut [f64],
    ) {
        let table = (self.degree + 1) * n;
        tables.resize(self.dim * table, 0.0);
        for axis in 0..self.dim {
            let column = &points[axis * n..(axis + 1) * n];
            hermite_table(column, self.degree, &mut tables[axis * table..(axis + 1) * table]);
        }
        features[..n].fill(1.0);
        for (index, factor) in self.factors.iter().enumerate().skip(1) {
            let Some((rest, axis, exponent)) = *factor else { continue };
            let power = &tables[axis * table + exponent * n..axis * table + (exponent + 1) * n];
            let (done, todo) = features.split_at_mut(index * n);
            let column = &mut todo[..n];
            if rest == 0 {
                column.copy_from_slice(power);
            } else {
                for ((out, a), b) in column.iter_mut().zip(&done[rest * n..(rest + 1) * n]).zip(power) {
                    *out = a * b;
                }
            }
        }
    }
}

/// The exponent of `axis` in α, 0 where it is not in use.
pub(crate) fn exponent(alpha: &[(usize, usize)], axis: usize) -> usize {
    alpha.iter().find(|(variable, _)| *variable == axis).map_or(0, |&(_, exponent)| exponent)
}

/// α with the exponent of `axis` one higher.
pub(crate) fn raised(alpha: &[(usize, usize)], axis: usize) -> Exponents {
    let mut raised = alpha.to_vec();
    match raised.binary_search_by_key(&axis, |&(variable, _)| variable) {
        Ok(place) => raised[place].1 += 1,
        Err(place) => raised.insert(place, (axis, 1)),
    }
    raised
}

/// α with the exponent of `axis` one lower; `None` where it is not in use.
pub(crate) fn lowered(alpha: &[(usize, usize)], axis: usize) -> Option<Exponents> {
    let place = alpha.binary_search_by_key(&axis, |&(variable, _)| variable).ok()?;
    let mut lowered = alpha.to_vec();
    if lowered[place].1 > 1 {
        lowered[place].1 -= 1;
    } else {
        lowered.remove(place);
    }
    Some(lowered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_explicit_polynomials() {
        let points = [0.3, -1.7];
        let mut table = vec![0.0; 8];
        hermite_table(&points, 3, &mut table);
        for (i, u) in points.iter().enumerate() {
            approx::assert_relative_eq!(table[4 + i], (u * u - 1.0) / 2f64.sqrt(), epsilon = 1e-14);
            approx::assert_relative_eq!(table[6 + i], (u.powi(3) - 3.0 * u) / 6f64.sqrt(), epsilon = 1e-14);
        }
    }

    #[test]
    fn lists_every_exponent_once_by_rising_degree() {
        for (dim, degree) in [(1, 12), (2, 5), (4, 3), (10, 2), (3, 0)] {
            let basis = HermiteBasis::new(dim, degree);
            assert_eq!(basis.len(), HermiteBasis::count(dim, degree));
            let mut unique = basis.exponents().to_vec();
            unique.sort();
            unique.dedup();
            assert_eq!(unique.len(), basis.len());
            assert!((1..basis.len()).all(|i| basis.order(i - 1) <= basis.order(i)));
        }
    }

    #[test]
    fn derivatives_agree_with_finite_differences() {
        let basis = HermiteBasis::new(3, 4);
        let (point, step) = ([0.4, -0.9, 1.3], 1e-5);
        let at = |p: &[f64]| {
            let mut features = vec![0.0; basis.len()];
            basis.features_into(1, p, &mut Vec::new(), &mut features);
            features
        };
        let here = at(&point);
        for axis in 0..3 {
            let (mut up, mut down) = (point, point);
            up[axis] += step;
            down[axis] -= step;
            let (up, down) = (at(&up), at(&down));
            for (index, derivative) in basis.derivatives(axis).into_iter().enumerate() {
                let exact = derivative.map_or(0.0, |(lower, factor)| factor * here[lower]);
                approx::assert_abs_diff_eq!(exact, (up[index] - down[index]) / (2.0 * step), epsilon = 1e-8);
            }
        }
    }
}
