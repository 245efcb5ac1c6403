"""Laws whose density is known: mixtures of shapes, each mapped by a matrix and put at a centre."""

from dataclasses import dataclass

import numpy as np
from scipy import special


class Gaussian:
    """Standard normal."""

    def draw(self, n, dim, rng):
        return rng.standard_normal((n, dim))

    def log_density(self, points):
        return -0.5 * (points**2).sum(1) - 0.5 * points.shape[1] * np.log(2 * np.pi)


@dataclass
class StudentT:
    """Multivariate, so many degrees of freedom."""

    freedom: float

    def draw(self, n, dim, rng):
        return rng.standard_normal((n, dim)) / np.sqrt(rng.chisquare(self.freedom, (n, 1)) / self.freedom)

    def log_density(self, points):
        v, dim = self.freedom, points.shape[1]
        constant = special.gammaln((v + dim) / 2) - special.gammaln(v / 2) - 0.5 * dim * np.log(v * np.pi)
        return constant - 0.5 * (v + dim) * np.log1p((points**2).sum(1) / v)


class Ball:
    """Uniform in the unit ball; in one dimension in [-1, 1]."""

    def draw(self, n, dim, rng):
        directions = rng.standard_normal((n, dim))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        return directions * rng.random((n, 1)) ** (1 / dim)

    def log_density(self, points):
        dim = points.shape[1]
        volume = 0.5 * dim * np.log(np.pi) - special.gammaln(dim / 2 + 1)
        return np.where((points**2).sum(1) <= 1, -volume, -np.inf)


@dataclass
class Sphere:
    """Uniform on the unit sphere in the first `flat` coordinates (2: a ring), blurred by `noise` in all."""

    flat: int
    noise: float

    def draw(self, n, dim, rng):
        centres = np.zeros((n, dim))
        directions = rng.standard_normal((n, self.flat))
        centres[:, : self.flat] = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        return centres + self.noise * rng.standard_normal((n, dim))

    def log_density(self, points):
        # The mean of exp(<x, u>/noise^2) over the sphere is gamma(m/2) (2/k)^(m/2-1) I_(m/2-1)(k), k = |x|/noise^2.
        order = self.flat / 2 - 1
        k = np.maximum(np.linalg.norm(points[:, : self.flat], axis=1) / self.noise**2, 1e-9)
        mean = special.gammaln(order + 1) + order * np.log(2 / k) + np.log(special.ive(order, k)) + k
        return Gaussian().log_density(points / self.noise) - points.shape[1] * np.log(self.noise) + (
            mean - 0.5 / self.noise**2
        )


@dataclass
class Segment:
    """Uniform on [-1, 1] along the first axis, normal with `noise` across."""

    noise: float

    def draw(self, n, dim, rng):
        rows = self.noise * rng.standard_normal((n, dim))
        rows[:, 0] = rng.uniform(-1, 1, n)
        return rows

    def log_density(self, points):
        across = points[:, 1:] / self.noise
        inside = np.where(np.abs(points[:, 0]) <= 1, -np.log(2), -np.inf)
        return inside + Gaussian().log_density(across) - across.shape[1] * np.log(self.noise)


@dataclass
class Curved:
    """A parabola: the first coordinate normal, the second bend * (its square - 1), blurred by `noise` across."""

    bend: float
    noise: float

    def draw(self, n, dim, rng):
        rows = self.noise * rng.standard_normal((n, dim))
        rows[:, 0] = rng.standard_normal(n)
        rows[:, 1] += self.bend * (rows[:, 0] ** 2 - 1)
        return rows

    def log_density(self, points):
        across = points[:, 1:].copy()
        across[:, 0] -= self.bend * (points[:, 0] ** 2 - 1)
        along = Gaussian().log_density(points[:, :1])
        return along + Gaussian().log_density(across / self.noise) - across.shape[1] * np.log(self.noise)


@dataclass
class Columns:
    """Independent columns of one law of scipy.stats."""

    law: object

    def draw(self, n, dim, rng):
        return self.law.rvs(size=(n, dim), random_state=rng)

    def log_density(self, points):
        return self.law.logpdf(points).sum(1)


@dataclass
class Part:
    """centre + matrix * (a draw of the shape)."""

    mass: float
    centre: np.ndarray
    matrix: np.ndarray
    shape: object

    def draw(self, n, rng):
        return self.centre + self.shape.draw(n, len(self.centre), rng) @ self.matrix.T

    def log_density(self, points):
        inverse = np.linalg.inv(self.matrix)
        return self.shape.log_density((points - self.centre) @ inverse.T) + np.linalg.slogdet(inverse)[1]


class Law:
    """A mixture of parts; masses may be given up to a factor."""

    def __init__(self, parts):
        total = sum(part.mass for part in parts)
        self.parts = [Part(part.mass / total, part.centre, part.matrix, part.shape) for part in parts]
        self.dim = len(parts[0].centre)

    def draw(self, n, rng):
        counts = rng.multinomial(n, [part.mass for part in self.parts])
        rows = np.concatenate([part.draw(count, rng) for part, count in zip(self.parts, counts)])
        return rows[rng.permutation(n)]

    def log_density(self, points):
        return special.logsumexp([np.log(part.mass) + part.log_density(points) for part in self.parts], axis=0)

    def mapped(self, matrix):
        """The law of matrix * row."""
        matrix = np.asarray(matrix)
        return Law([Part(p.mass, matrix @ p.centre, matrix @ p.matrix, p.shape) for p in self.parts])

    def with_strays(self, share, law):
        """The share of the rows comes from another law."""
        kept = [Part(p.mass * (1 - share), p.centre, p.matrix, p.shape) for p in self.parts]
        strays = [Part(p.mass * share, p.centre, p.matrix, p.shape) for p in law.parts]
        return Law(kept + strays)

    def moments(self):
        """Masses, means and covariances of the parts, where all are Gaussian: where EM from the truth starts."""
        assert all(isinstance(part.shape, Gaussian) for part in self.parts)
        return (
            np.array([part.mass for part in self.parts]),
            np.array([part.centre for part in self.parts]),
            np.array([part.matrix @ part.matrix.T for part in self.parts]),
        )


def gaussians(masses, centres, stds):
    """A mixture of Gaussians; each std a number, a vector of stds, or a matrix that maps N(0, I)."""
    parts = []
    for mass, centre, std in zip(masses, np.asarray(centres, dtype=float), stds):
        std = np.asarray(std, dtype=float)
        matrix = std if std.ndim == 2 else np.diag(np.broadcast_to(std, len(centre)))
        parts.append(Part(mass, centre, matrix, Gaussian()))
    return Law(parts)


def single(shape, dim, scale=1.0, mass=1.0):
    """One shape around zero."""
    return Law([Part(mass, np.zeros(dim), scale * np.eye(dim), shape)])


def random_rotation(dim, rng):
    q, r = np.linalg.qr(rng.standard_normal((dim, dim)))
    return q * np.sign(np.diag(r))


def random_map(dim, condition, rng):
    """An invertible matrix with singular values from 1 to the condition, turned on both sides."""
    values = condition ** np.append(rng.random(max(dim - 2, 0)), [0.0, 1.0])[-dim:]
    return random_rotation(dim, rng) * values @ random_rotation(dim, rng)
