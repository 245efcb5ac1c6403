//! What bends a Gaussian cell: the square of a quadratic and a further quadratic.
//!
//! With z ~ N(0, I) and F(z) = q(z)² + p(z) ≥ 0 the cell has the density N(z) F(z)/E F. Substituting an affine map
//! leaves the form as it is, and so does averaging over some coordinates: the mean of a quadratic of Gaussians is a
//! quadratic in the others, and that of its square is the square of the mean and the variance, again a quadratic. So
//! marginals, conditionals and noise of all kinds stay within it. A [`RadialShape`] is the case q = 1 + βL, p = γ.

use nalgebra::{DMatrix, DVector, DVectorView, SymmetricEigen};

use super::radial_shape::{GAUSSIAN_SHARE, RadialShape};
use crate::linalg::is_diagonal;

/// Where |z|² is above this, F is that of a point nearer in the same direction, which keeps its square finite.
const LARGEST_RADIUS: f64 = 1e70;
/// Relative: what rotations leave of coefficients that are zero.
const ROUNDING: f64 = 1e-12;
/// Relative: a mean of q below this would make β too large for its rounding.
const FLATTEST: f64 = 1e-6;

/// a + bᵀz + zᵀPz with symmetric P.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quadratic {
    pub(super) constant: f64,
    pub(super) linear: DVector<f64>,
    pub(super) matrix: DMatrix<f64>,
}

/// F(z) = `root`(z)² + `rest`(z) in m coordinates.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tilt {
    pub(super) root: Quadratic,
    pub(super) rest: Quadratic,
}

/// F and its derivatives at one point.
pub(super) struct TiltAt {
    pub(super) value: f64,
    pub(super) gradient: DVector<f64>,
    /// ∇q and q, of which the Hessian is 2∇q∇qᵀ + 4qP + 2P₂.
    pub(super) root_gradient: DVector<f64>,
    pub(super) root: f64,
}

impl Quadratic {
    fn at(&self, z: &DVector<f64>) -> f64 {
        self.constant + self.linear.dot(z) + z.dot(&(&self.matrix * z))
    }

    fn gradient(&self, z: &DVector<f64>) -> DVector<f64> {
        &self.linear + &self.matrix * z * 2.0
    }

    /// At z = `offset` + `map` z', in z'.
    fn substituted(&self, offset: &DVector<f64>, map: &DMatrix<f64>) -> Self {
        let (pushed, transposed) = (&self.matrix * offset, map.transpose());
        Self {
            constant: self.constant + self.linear.dot(offset) + offset.dot(&pushed),
            linear: &transposed * (&self.linear + pushed * 2.0),
            matrix: transposed * (&self.matrix * map),
        }
    }

    /// In the last coordinates, with the first ones at `first`.
    fn given_first(&self, first: DVectorView<'_, f64>) -> Self {
        let (seen, left) = (first.len(), self.linear.len() - first.len());
        let pushed = self.matrix.view((0, 0), (seen, seen)) * first;
        let across = self.matrix.view((seen, 0), (left, seen)) * first;
        Self {
            constant: self.constant + self.linear.rows(0, seen).dot(&first) + first.dot(&pushed),
            linear: self.linear.rows(seen, left) + across * 2.0,
            matrix: self.matrix.view((seen, seen), (left, left)).into_owned(),
        }
    }

    /// Averaged over all coordinates but the first `kept`.
    fn averaged(&self, kept: usize) -> Self {
        let trace: f64 = (kept..self.linear.len()).map(|i| self.matrix[(i, i)]).sum();
        Self {
            constant: self.constant + trace,
            linear: self.linear.rows(0, kept).into_owned(),
            matrix: self.matrix.view((0, 0), (kept, kept)).into_owned(),
        }
    }

    fn mean(&self) -> f64 {
        self.constant + self.matrix.trace()
    }
}

impl Tilt {
    /// That of a radial shape in the first `active` of `dim` coordinates; `None` for a Gaussian.
    pub(super) fn radial(shape: RadialShape, active: usize, dim: usize) -> Option<Self> {
        if shape.is_gaussian() {
            return None;
        }
        let (m, beta) = (active as f64, shape.beta);
        let slope = -beta / (2.0 * m).sqrt();
        let matrix = DMatrix::from_fn(dim, dim, |i, j| if i == j && i < active { slope } else { 0.0 });
        let none = DVector::zeros(dim);
        Some(Self {
            root: Quadratic { constant: 1.0 - slope * m, linear: none.clone(), matrix },
            rest: Quadratic { constant: GAUSSIAN_SHARE, linear: none, matrix: DMatrix::zeros(dim, dim) },
        })
    }

    pub(super) fn dim(&self) -> usize {
        self.root.linear.len()
    }

    /// At z = `offset` + `map` z', in z'.
    pub(super) fn substituted(&self, offset: &DVector<f64>, map: &DMatrix<f64>) -> Self {
        Self { root: self.root.substituted(offset, map), rest: self.rest.substituted(offset, map) }
    }

    /// In the last coordinates, with the first ones at `first`.
    pub(crate) fn given_first(&self, first: DVectorView<'_, f64>) -> Self {
        Self { root: self.root.given_first(first), rest: self.rest.given_first(first) }
    }

    /// Averaged over all coordinates but the first `kept`: (E q)² + Var q + E p, where q has in the others the linear
    /// part b + 2P'z and the matrix P, and Var q = |b + 2P'z|² + 2 tr P².
    pub(super) fn averaged(&self, kept: usize) -> Self {
        let left = self.dim() - kept;
        let linear = self.root.linear.rows(kept, left);
        let across = self.root.matrix.view((0, kept), (kept, left));
        let within = self.root.matrix.view((kept, kept), (left, left));
        let mut rest = self.rest.averaged(kept);
        rest.constant += linear.norm_squared() + 2.0 * within.norm_squared();
        rest.linear += across * linear * 4.0;
        rest.matrix += across * across.transpose() * 4.0;
        Self { root: self.root.averaged(kept), rest }
    }

    /// E F.
    pub(super) fn mass(&self) -> f64 {
        let mean = self.root.mean();
        mean * mean
            + self.root.linear.norm_squared()
            + 2.0 * self.root.matrix.norm_squared()
            + self.rest.mean()
    }

    /// E zF / E F, from E zF = E ∇F.
    pub(crate) fn mean(&self) -> DVector<f64> {
        let Quadratic { linear, matrix, .. } = &self.root;
        let product = (linear * self.root.mean() + matrix * linear * 2.0) * 2.0 + &self.rest.linear;
        product / self.mass()
    }

    /// E zzᵀF / E F, from E zzᵀF = I E F + E ∇²F.
    pub(super) fn second_moment(&self) -> DMatrix<f64> {
        let Quadratic { linear, matrix, .. } = &self.root;
        let hessian = linear * linear.transpose() * 2.0
            + matrix * matrix * 8.0
            + matrix * (4.0 * self.root.mean())
            + &self.rest.matrix * 2.0;
        DMatrix::identity(self.dim(), self.dim()) + hessian / self.mass()
    }

    /// F and its derivatives at `z`.
    pub(super) fn at(&self, z: &DVector<f64>) -> TiltAt {
        let radius = z.norm_squared();
        let near = (radius > LARGEST_RADIUS).then(|| z * (LARGEST_RADIUS / radius).sqrt());
        let z = near.as_ref().unwrap_or(z);
        let (root, root_gradient) = (self.root.at(z), self.root.gradient(z));
        TiltAt {
            // What rounding takes from a value that is never below zero.
            value: (root * root + self.rest.at(z)).max(f64::MIN_POSITIVE),
            gradient: &root_gradient * (2.0 * root) + self.rest.gradient(z),
            root_gradient,
            root,
        }
    }

    /// Coefficients of t⁰ to t⁴ of F, averaged over all that is orthogonal to the unit vector `e`, at z = te + ….
    pub(crate) fn along(&self, e: &DVector<f64>) -> [f64; 5] {
        let Quadratic { constant, linear, matrix } = &self.root;
        let pushed = matrix * e;
        let (b, p) = (linear.dot(e), pushed.dot(e));
        // Of q orthogonal to e: linear part l + 2tm, matrix (I − eeᵀ)P(I − eeᵀ).
        let (l, m) = (linear - e * b, &pushed - e * p);
        let within = matrix.norm_squared() - 2.0 * pushed.norm_squared() + p * p;
        let a = constant + matrix.trace() - p;
        let of_rest = e.dot(&(&self.rest.matrix * e));
        [
            a * a
                + l.norm_squared()
                + 2.0 * within.max(0.0)
                + (self.rest.constant + self.rest.matrix.trace() - of_rest),
            2.0 * a * b + 4.0 * l.dot(&m) + self.rest.linear.dot(e),
            b * b + 2.0 * a * p + 4.0 * m.norm_squared() + of_rest,
            2.0 * b * p,
            p * p,
        ]
    }

    /// β and γ, where F is (1 + βL)² + γ of the squared radius alone, up to a factor and to rounding, as it is when
    /// some coordinates of a radial shape were seen.
    pub(super) fn radial_form(&self) -> Option<(f64, f64)> {
        let (root, rest, r) = (&self.root, &self.rest, self.dim() as f64);
        let slope = root.matrix.trace() / r;
        let uneven = (0..self.dim())
            .flat_map(|i| (0..self.dim()).map(move |j| (i, j)))
            .map(|(i, j)| (root.matrix[(i, j)] - if i == j { slope } else { 0.0 }).abs())
            .fold(root.linear.amax(), f64::max);
        let (size, further) =
            (root.constant.abs() + r * slope.abs(), rest.linear.amax().max(rest.matrix.amax()));
        if self.dim() == 0 || uneven > ROUNDING * size || further > ROUNDING * rest.constant {
            return None;
        }
        let mean = root.constant + r * slope;
        if mean.abs() < FLATTEST * size {
            return None;
        }
        Some((-slope * (2.0 * r).sqrt() / mean, rest.constant / (mean * mean)))
    }

    /// An orthogonal map that makes the matrix of `root` diagonal; `None` where it is.
    pub(super) fn diagonalising(&self) -> Option<DMatrix<f64>> {
        (!is_diagonal(&self.root.matrix)).then(|| SymmetricEigen::new(self.root.matrix.clone()).eigenvectors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tilt in `dim` coordinates with nothing zero.
    pub(crate) fn some_tilt(dim: usize) -> Tilt {
        let symmetric = |seed: f64| {
            let any = DMatrix::from_fn(dim, dim, |i, j| 0.3 * (seed + (3 * i + 7 * j) as f64).sin());
            &any + any.transpose()
        };
        let root = Quadratic {
            constant: 0.7,
            linear: DVector::from_fn(dim, |i, _| 0.4 * (i as f64 + 0.3).cos()),
            matrix: symmetric(0.2),
        };
        let half = symmetric(1.7);
        let rest = Quadratic { constant: 0.3, linear: DVector::zeros(dim), matrix: &half * &half };
        Tilt { root, rest }
    }

    /// E f F over z ~ N(0, I₂) by the trapezoidal rule.
    fn expectation(tilt: &Tilt, f: impl Fn(&DVector<f64>) -> f64) -> f64 {
        let step = 0.1;
        let mut sum = 0.0;
        for i in -100..=100 {
            for j in -100..=100 {
                let z = DVector::from_vec(vec![step * i as f64, step * j as f64]);
                sum += f(&z) * tilt.at(&z).value * (-0.5 * z.norm_squared()).exp();
            }
        }
        sum * step * step / std::f64::consts::TAU
    }

    #[test]
    fn moments_are_those_of_quadrature() {
        let tilt = some_tilt(2);
        let mass = expectation(&tilt, |_| 1.0);
        approx::assert_relative_eq!(tilt.mass(), mass, epsilon = 1e-12);
        for i in 0..2 {
            let mean = expectation(&tilt, |z| z[i]) / mass;
            approx::assert_relative_eq!(tilt.mean()[i], mean, epsilon = 1e-12);
            for j in 0..2 {
                let second = expectation(&tilt, |z| z[i] * z[j]) / mass;
                approx::assert_relative_eq!(tilt.second_moment()[(i, j)], second, epsilon = 1e-12);
            }
        }
    }

    #[test]
    fn averages_are_those_of_quadrature() {
        let tilt = some_tilt(2);
        let averaged = |along: [f64; 2], t: f64| {
            let step = 0.05;
            let at = |u: f64| {
                let z = DVector::from_vec(vec![along[0] * t - along[1] * u, along[1] * t + along[0] * u]);
                tilt.at(&z).value * (-0.5 * u * u).exp()
            };
            (-240..=240).map(|i| at(step * i as f64)).sum::<f64>() * step / std::f64::consts::TAU.sqrt()
        };
        for t in [-2.0, 0.3, 1.1] {
            let first = tilt.averaged(1).at(&DVector::from_element(1, t)).value;
            approx::assert_relative_eq!(first, averaged([1.0, 0.0], t), epsilon = 1e-12);
            let coefficients = tilt.along(&DVector::from_vec(vec![0.6, 0.8]));
            let polynomial = coefficients.iter().rev().fold(0.0, |value, c| value * t + c);
            approx::assert_relative_eq!(polynomial, averaged([0.6, 0.8], t), epsilon = 1e-12);
        }
    }

    #[test]
    fn substitution_and_conditioning_only_name_the_point_otherwise() {
        let tilt = some_tilt(3);
        let (offset, map) =
            (DVector::from_vec(vec![0.2, -1.0, 0.4]), DMatrix::from_fn(3, 2, |i, j| (i + 2 * j) as f64));
        let z = DVector::from_vec(vec![0.7, -0.3]);
        let (there, here) = (tilt.substituted(&offset, &map).at(&z), tilt.at(&(&offset + &map * &z)));
        approx::assert_relative_eq!(there.value, here.value, epsilon = 1e-12);
        approx::assert_relative_eq!(there.gradient, map.transpose() * here.gradient, epsilon = 1e-12);
        let whole = DVector::from_vec(vec![0.5, 0.7, -0.3]);
        let given = tilt.given_first(whole.rows(0, 1)).at(&z);
        approx::assert_relative_eq!(given.value, tilt.at(&whole).value, epsilon = 1e-12);
    }
}
