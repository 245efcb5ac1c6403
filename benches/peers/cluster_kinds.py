"""Labelled tables of the kinds that collections of clustering problems are made of.

A kind is a function of a generator that gives rows (n x d) and their classes from 0; -1 for strays, which are clustered but
not judged.
"""

import numpy as np

KINDS = {}


def kind(make):
    KINDS[make.__name__] = make
    return make


def stack(parts, strays=None):
    """Parts become classes 0, 1, ...; then the strays."""
    rows = np.vstack(list(parts) + ([strays] if strays is not None else []))
    labels = [np.full(len(part), label) for label, part in enumerate(parts)]
    return rows, np.concatenate(labels + ([np.full(len(strays), -1)] if strays is not None else []))


def blob(rng, n, centre, std=1.0):
    return np.asarray(centre, float) + rng.normal(size=(n, len(centre))) * std


def box(rng, n, low, high):
    return rng.uniform(low, high, size=(n, len(low)))


def arc(rng, n, centre, radius, start=0.0, end=2 * np.pi, noise=0.1):
    angle = rng.uniform(start, end, n)
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) * radius
    return np.asarray(centre, float) + ring + rng.normal(size=(n, 2)) * noise


def path(rng, n, points, noise):
    """Rows along a polygon."""
    points = np.asarray(points, float)
    steps = np.diff(points, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    which = rng.choice(len(steps), n, p=lengths / lengths.sum())
    return points[which] + steps[which] * rng.uniform(size=(n, 1)) + rng.normal(size=(n, points.shape[1])) * noise


def apart(rng, k, d, distance, span):
    """Centres that keep a distance."""
    centres = [rng.uniform(0, span, d)]
    while len(centres) < k:
        new = rng.uniform(0, span, d)
        if min(np.linalg.norm(new - c) for c in centres) > distance:
            centres.append(new)
    return np.array(centres)


# FCPS

@kind
def atom(rng):
    core = rng.normal(size=(400, 3))
    core *= 8 * rng.uniform(size=(400, 1)) ** (1 / 3) / np.linalg.norm(core, axis=1, keepdims=True)
    shell = rng.normal(size=(400, 3))
    shell *= rng.uniform(48, 52, size=(400, 1)) / np.linalg.norm(shell, axis=1, keepdims=True)
    return stack([core, shell])


@kind
def chainlink(rng):
    a, b = arc(rng, 500, [0, 0], 1, noise=0.05), arc(rng, 500, [1, 0], 1, noise=0.05)
    flat = rng.normal(size=(2, 500)) * 0.05
    return stack([np.column_stack([a, flat[0]]), np.column_stack([b[:, 0], flat[1], b[:, 1]])])


@kind
def engytime(rng):
    return stack([blob(rng, 2048, [0, 0], 1), blob(rng, 2048, [3, 3], [1.6, 1.6])])


@kind
def hepta(rng):
    centres = np.vstack([np.zeros(3), 3 * np.eye(3), -3 * np.eye(3)])
    return stack([blob(rng, 32 if i == 0 else 30, c, 0.25 if i == 0 else 0.5) for i, c in enumerate(centres)])


@kind
def lsun(rng):
    ball = rng.normal(size=(100, 2))
    ball *= np.sqrt(rng.uniform(size=(100, 1))) / np.linalg.norm(ball, axis=1, keepdims=True)
    return stack([box(rng, 200, [0, 0], [1, 5]), box(rng, 100, [1.5, 0], [4.5, 1]), ball + [3.5, 3.5]])


@kind
def target(rng):
    centre = rng.normal(size=(365, 2))
    centre *= 0.5 * np.sqrt(rng.uniform(size=(365, 1))) / np.linalg.norm(centre, axis=1, keepdims=True)
    angle = rng.uniform(0, 2 * np.pi, 395)
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) * rng.uniform(1.6, 2.1, (395, 1))
    corners = [blob(rng, 3, c, 0.1) for c in [(3, 3), (-3, 3), (3, -3), (-3, -3)]]
    return stack([centre, ring] + corners)


@kind
def tetra(rng):
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    parts = []
    for corner in corners:
        ball = rng.normal(size=(100, 3))
        ball *= 1.25 * rng.uniform(size=(100, 1)) ** (1 / 3) / np.linalg.norm(ball, axis=1, keepdims=True)
        parts.append(ball + corner)
    return stack(parts)


@kind
def twodiamonds(rng):
    diamond = box(rng, 800, [-1, -1], [1, 1]) @ np.array([[1, 1], [-1, 1]]) / 2
    return stack([diamond[:400] - [1.02, 0], diamond[400:] + [1.02, 0]])


@kind
def wingnut(rng):
    rows = box(rng, 1016, [0, 0], [3, 4]) + 0.0
    rows[:, 1] = 4 * rng.beta(1, 2, 1016)
    a, b = rows[:508], rows[508:]
    return stack([a, np.array([6.6, 4.3]) - b])


# SIPU

def blobs(rng, k, n, std, distance, span=100.0, d=2):
    return stack([blob(rng, n, c, std) for c in apart(rng, k, d, distance, span)])


@kind
def a1(rng):
    return blobs(rng, 20, 150, 3.0, 13.0)


@kind
def a3(rng):
    return blobs(rng, 50, 150, 2.0, 9.0)


def skewed(rng, scale):
    parts = []
    for centre in apart(rng, 15, 2, 19.0, 100.0):
        shape = rng.normal(size=(2, 2)) * 0.35 + np.eye(2)
        parts.append(centre + rng.normal(size=(333, 2)) @ shape * scale)
    return stack(parts)


@kind
def s1(rng):
    return skewed(rng, 2.5)


@kind
def s3(rng):
    return skewed(rng, 5.0)


@kind
def s4(rng):
    return skewed(rng, 6.5)


@kind
def unbalance(rng):
    big = [blob(rng, 2000, c, 2.0) for c in [(20, 50), (30, 62), (34, 44)]]
    return stack(big + [blob(rng, 100, c, 4.0) for c in [(110, 30), (110, 70), (140, 50), (165, 72), (165, 28)]])


@kind
def aggregation(rng):
    ball = lambda n, c, r: np.asarray(c) + _disc(rng, n) * r
    moon = arc(rng, 170, [10, 20], 5, np.pi * 0.1, np.pi * 1.3, 1.0)
    return stack([moon, ball(273, (33, 22), (5.5, 7.5)), ball(130, (10, 7), (4.5, 4.5)), ball(102, (21, 7), (3.5, 4.5)),
                  ball(45, (9, 20.5), (1.6, 1.6)), ball(34, (26.6, 9), (1.9, 1.9)), ball(34, (30, 11.8), (1.8, 1.8))])


def _disc(rng, n):
    ball = rng.normal(size=(n, 2))
    return ball * np.sqrt(rng.uniform(size=(n, 1))) / np.linalg.norm(ball, axis=1, keepdims=True)


@kind
def compound(rng):
    sparse = _disc(rng, 400) * 6 + [36, 15]
    dense = _disc(rng, 50) * 2.2 + [36, 15]
    sparse = sparse[np.linalg.norm(sparse - [36, 15], axis=1) > 2.6][:50]
    return stack([blob(rng, 50, (12, 20), 1.2), blob(rng, 92, (18, 19), 1.5), blob(rng, 38, (15, 8.5), 0.7),
                  arc(rng, 158, (15, 8.5), 4.6, noise=0.35), dense, sparse])


@kind
def jain(rng):
    return stack([arc(rng, 97, (15, 15), 11, 0.15, np.pi - 0.1, 0.9), arc(rng, 276, (26, 17), 11, np.pi, 2 * np.pi, 1.1)])


@kind
def flame(rng):
    lower = arc(rng, 153, (7, 20), 5, np.pi * 0.95, np.pi * 2.05, 0.8)
    lower[:, 1] += 1.0
    return stack([lower, _disc(rng, 87) * (3.2, 2.4) + (7, 24.0 - 1.2)])


@kind
def pathbased(rng):
    return stack([arc(rng, 110, (0, 0), 12, -0.2, np.pi + 0.2, 0.8), blob(rng, 97, (-5, 0), (1.6, 2.4)),
                  blob(rng, 93, (5, 0), (1.6, 2.4))])


@kind
def spiral(rng):
    parts = []
    for arm in range(3):
        t = np.sqrt(rng.uniform(0.03, 1, 104))
        angle = 1.6 * np.pi * t + arm * 2 * np.pi / 3
        parts.append(np.column_stack([np.cos(angle), np.sin(angle)]) * (t * 15)[:, None] + rng.normal(size=(104, 2)) * 0.2)
    return stack(parts)


@kind
def d31(rng):
    return blobs(rng, 31, 100, 0.7, 3.2, 30.0)


@kind
def r15(rng):
    circle = lambda k, r: [(10 + r * np.cos(a), 10 + r * np.sin(a)) for a in 2 * np.pi * np.arange(k) / k]
    return stack([blob(rng, 40, c, 0.32) for c in [(10, 10)] + circle(7, 2.4) + circle(7, 6.0)])


# WUT

@kind
def circles(rng):
    return stack([arc(rng, 1000, c, r, noise=0.15) for c, r in [((0, 0), 2), ((0, 0), 4), ((9, 0), 2), ((9, 0), 4)]])


@kind
def cross(rng):
    arms = [[(-5, 0), (-0.6, 0)], [(0.6, 0), (5, 0)], [(0, -5), (0, -0.6)], [(0, 0.6), (0, 5)]]
    return stack([path(rng, 450, arm, 0.25) for arm in arms], box(rng, 200, [-5, -5], [5, 5]))


@kind
def isolation(rng):
    return stack([arc(rng, 3000, (0, 0), r, noise=0.12) for r in (1, 2, 3)])


@kind
def labirynth(rng):
    walls = [[(0, 0), (10, 0), (10, 10)], [(0, 2), (8, 2), (8, 10)], [(0, 4), (0, 10), (6, 10), (6, 4), (2, 4), (2, 8), (4, 8)],
             [(12, 0), (12, 10)], [(14, 0), (18, 0), (18, 6)], [(14, 3), (14, 10), (18, 10)]]
    return stack([path(rng, 590, wall, 0.22) for wall in walls])


@kind
def mk2(rng):
    a = arc(rng, 500, (0, 0), 1, 0, np.pi, 0.11)
    return stack([a, arc(rng, 500, (1, 0.35), 1, np.pi, 2 * np.pi, 0.11)])


@kind
def mk3(rng):
    return stack([blob(rng, 200, c, s) for c, s in [((0, 0, 0), 1), ((3, 0, 2), 0.6), ((0, 5, 0), 1.2)]])


@kind
def mk4(rng):
    t = rng.uniform(0, 4 * np.pi, 500)
    helix = np.column_stack([2 * np.cos(t), 2 * np.sin(t), t / 2]) + rng.normal(size=(500, 3)) * 0.15
    core = np.column_stack([np.zeros(500), np.zeros(500), rng.uniform(0, 6.3, 500)]) + rng.normal(size=(500, 3)) * 0.2
    return stack([helix, core, blob(rng, 500, (7, 0, 3), 0.8)])


@kind
def olympic(rng):
    return stack([arc(rng, 1000, c, 1, noise=0.06) for c in [(0, 0), (2.3, 0), (4.6, 0), (1.15, -1), (3.45, -1)]])


@kind
def smile(rng):
    return stack([arc(rng, 450, (0, 0), 5, noise=0.15), arc(rng, 200, (0, 0), 3, np.pi * 1.15, np.pi * 1.85, 0.12),
                  blob(rng, 120, (-1.6, 1.6), 0.35), blob(rng, 120, (1.6, 1.6), 0.35), blob(rng, 60, (0, 0), 0.25),
                  path(rng, 50, [(-1.5, 6.5), (1.5, 6.5)], 0.1)])


@kind
def stripes(rng):
    return stack([path(rng, 2500, [(0, y), (20, y + 6)], 0.35) for y in (0, 2.0)])


@kind
def trajectories(rng):
    s = lambda y: [(0, y), (3, y), (6, y + 3), (10, y + 3)]
    return stack([path(rng, 2500, s(2.0 * i), 0.22) for i in range(4)])


@kind
def trapped_lovers(rng):
    return stack([blob(rng, 1000, (-1, 0), 0.35), blob(rng, 1000, (1, 0), 0.35), arc(rng, 3000, (0, 0), 4, noise=0.2)])


@kind
def windows(rng):
    frame = lambda x, y, a: [(x, y), (x + a, y), (x + a, y + a), (x, y + a), (x, y)]
    return stack([path(rng, 1000, frame(0, 0, 10), 0.12)] + [path(rng, 450, frame(x, y, 3), 0.12)
                 for x, y in [(1, 1), (6, 1), (1, 6), (6, 6)]])


@kind
def x2(rng):
    return stack([blob(rng, 40, c, 0.9) for c in [(0, 0), (3.2, 0), (1.6, 3)]])


@kind
def x3(rng):
    return stack([blob(rng, 60, (0, 0), 0.7), blob(rng, 60, (3, 0), 0.7), blob(rng, 40, (0, 4), 1.0), blob(rng, 25, (5, 5), 0.5)])


@kind
def z1(rng):
    return stack([path(rng, 64, [(0, 3.0 * i), (6, 3.0 * i + 3)], 0.45) for i in range(3)])


@kind
def z2(rng):
    return stack([path(rng, 300, [(0, 0), (10, 3)], 0.3), path(rng, 300, [(0, 3), (10, 6)], 0.3), blob(rng, 100, (2, 8), 0.7),
                  blob(rng, 100, (6, 9), 0.5), blob(rng, 100, (13, 1), 1.0)])


@kind
def z3(rng):
    return stack([blob(rng, 400, (0, 0), (2.5, 0.5)), blob(rng, 300, (0, 3), (2.5, 0.4)), arc(rng, 200, (7, 1.5), 2, noise=0.2),
                  blob(rng, 100, (7, 1.5), 0.4)])


# Graves

@kind
def dense(rng):
    return stack([blob(rng, 100, (0, 0), 0.15), blob(rng, 100, (2, 0), 0.8)])


@kind
def fuzzyx(rng):
    arms = [blob(rng, 200, c, 1.0) for c in [(-3, -3), (3, -3), (-3, 3), (3, 3), (0, 0)]]
    return stack(arms)


@kind
def line(rng):
    return stack([path(rng, 125, [(0, 0), (0, 10)], 0.05), blob(rng, 125, (1.6, 5), 0.45)])


@kind
def parabolic(rng):
    x = rng.uniform(-2, 2, (2, 500))
    a = np.column_stack([x[0], x[0] ** 2]) + rng.normal(size=(500, 2)) * 0.25
    b = np.column_stack([x[1] + 2, 5.5 - x[1] ** 2]) + rng.normal(size=(500, 2)) * 0.25
    return stack([a, b])


@kind
def ring(rng):
    return stack([blob(rng, 500, (0, 0), 0.6), arc(rng, 500, (0, 0), 3.5, noise=0.3)])


@kind
def ring_noisy(rng):
    rows, labels = ring(rng)
    strays = box(rng, 50, [-6, -6], [6, 6])
    return np.vstack([rows, strays]), np.append(labels, np.full(50, -1))


@kind
def ring_outliers(rng):
    rows, labels = ring(rng)
    extra = [blob(rng, 10, c, 0.15) for c in [(6, 6), (-6, 6), (6, -6)]]
    return np.vstack([rows] + extra), np.append(labels, np.repeat([2, 3, 4], 10))


@kind
def zigzag(rng):
    zig = [(0, 0), (1, 2), (2, 0), (3, 2), (4, 0)]
    parts = [path(rng, 100, zig, 0.1), path(rng, 100, [(x, y + 2) for x, y in zig], 0.1), blob(rng, 50, (5.5, 2), 0.3)]
    return stack(parts)


@kind
def zigzag_noisy(rng):
    rows, labels = zigzag(rng)
    return np.vstack([rows, box(rng, 50, [-1, -1], [7, 5])]), np.append(labels, np.full(50, -1))


# Other, and tables of measurements

@kind
def chameleon(rng):
    shapes = [path(rng, 1100, [(0, 0), (4, 2), (8, 0), (12, 2)], 0.3), box(rng, 1100, [0, 4], [5, 6]), arc(rng, 1100, (9, 6), 2, noise=0.3),
              box(rng, 500, [6.8, 10], [11, 11]), path(rng, 900, [(0, 8), (0, 13), (5, 13), (5, 8)], 0.35), blob(rng, 500, (2.5, 10), 0.5)]
    return stack(shapes, box(rng, 600, [-2, -2], [14, 15]))


@kind
def square(rng):
    inside = box(rng, 1500, [0, 0], [4, 4])
    edge = path(rng, 500, [(-1, -1), (5, -1), (5, 5), (-1, 5), (-1, -1)], 0.1)
    return stack([inside[:500], edge])


@kind
def hdbscan(rng):
    return stack([arc(rng, 400, (0, 0), 1, 0, np.pi, 0.08), arc(rng, 400, (1, 0.4), 1, np.pi, 2 * np.pi, 0.08),
                  blob(rng, 300, (3, 2), 0.25), blob(rng, 300, (3, -1), (0.15, 0.5)), blob(rng, 300, (-2, 2), (0.5, 0.15)),
                  blob(rng, 300, (-2.4, 0.3), 0.2)], box(rng, 300, [-3.5, -2.5], [4.5, 3.5]))


@kind
def iris(rng):
    a = blob(rng, 50, (5.0, 3.4, 1.5, 0.25), (0.35, 0.38, 0.17, 0.1))
    shape = np.linalg.cholesky(np.array([[.3, .09, .2, .06], [.09, .1, .09, .045], [.2, .09, .25, .08], [.06, .045, .08, .05]]))
    b, c = ((rng.normal(size=(50, 4)) @ shape.T) + m for m in [(5.94, 2.77, 4.26, 1.33), (6.59, 2.97, 5.55, 2.03)])
    return stack([a, b, c])


def measured(rng, sizes, d, distance, spread=1.0):
    """Gaussian classes of unlike shapes in d correlated columns with unlike units."""
    centres = rng.normal(size=(len(sizes), d))
    centres *= distance / np.sqrt(2 * d)
    parts = []
    for n, centre in zip(sizes, centres):
        shape = rng.normal(size=(d, d)) * 0.4 / np.sqrt(d) + np.diag(np.exp(rng.normal(size=d) * 0.3))
        parts.append(centre + rng.standard_t(8, size=(n, d)) @ shape * spread)
    rows, labels = stack(parts)
    return rows * np.exp(rng.normal(size=d)), labels


@kind
def wine(rng):
    return measured(rng, [59, 71, 48], 10, 5.5)


@kind
def ecoli(rng):
    return measured(rng, [143, 77, 52, 35, 20, 9], 6, 5.0)


@kind
def yeast(rng):
    return measured(rng, [463, 429, 244, 163, 51, 44, 35, 30, 20, 5], 8, 3.0)


@kind
def statlog(rng):
    return measured(rng, [330] * 7, 9, 5.0)


@kind
def rounded(rng):
    """Iris-like: values on a coarse grid, with many equal rows."""
    rows, labels = stack([blob(rng, 100, (0, 0), 1.0), blob(rng, 60, (6, 0), 1.0), blob(rng, 20, (3, 6), 0.8)])
    return np.round(rows * 2) / 2, labels
